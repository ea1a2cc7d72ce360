// SPDX-License-Identifier: Apache-2.0
/// The recorder of CUDA graphs, in builds with HARMOFL_WITH_CUDA.
#pragma once

#include "model/device/recorder.hpp"

namespace harmofl {

/// Makes a recorder for batches of `batch_size` images on `gpu`.
std::unique_ptr<Recorder> make_cuda_recorder(torch::Device gpu, std::int64_t batch_size);

}  // namespace harmofl
