// SPDX-License-Identifier: Apache-2.0
/// Running statistics made anew: `model.buffers = recompute`.
#pragma once

#include "data/batches/batches.hpp"
#include "model/model.hpp"

namespace harmofl {

/// Sets the running statistics of the model's norms to the means over the batches of `samples`, in
/// stored order, of the batches' statistics at the present weights. Nothing else is changed.
void recompute_statistics(Model& model, const Samples& samples, const BatchOptions& batches);

}  // namespace harmofl
