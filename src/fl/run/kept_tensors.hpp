// SPDX-License-Identifier: Apache-2.0
/// What a run may keep between rounds, apart from the model: what a checkpoint may hold of it.
#pragma once

#include "harmofl/fl/algorithm.hpp"
#include "harmofl/fl/method_context.hpp"
#include "harmofl/io/named_tensor.hpp"
#include "model/model.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace harmofl {

/// Shapes of tensors, by their names.
using KeptShapes = std::map<std::string, std::vector<std::int64_t>>;

/// What is kept with a client together or not at all: moments of one kind, the steps it has taken,
/// tensors of the model.
std::vector<KeptShapes> client_families(const Model& model, const Algorithm& algorithm,
                                        BufferPolicy buffers, const OptimizerOptions& optimizer);

/// What may be kept with a client: by the method, by the base optimiser, and of the model.
KeptShapes client_shapes(const Model& model, const Algorithm& algorithm, BufferPolicy buffers,
                         const OptimizerOptions& optimizer);

/// What the method may keep at the server.
KeptShapes server_shapes(const Model& model, const Algorithm& algorithm);

/// Throws UserError, which begins with `source` and names the tensor, unless each of `tensors` is
/// one of `known`, with its shape.
void check_kept(const std::vector<NamedTensor>& tensors, const KeptShapes& known,
                const std::string& source);

/// Throws UserError, which begins with `source` and names the tensor, where `tensors` has some of a
/// family and lacks another: the rest would begin anew beside it.
void check_whole(const std::vector<NamedTensor>& tensors, const KeptShapes& family,
                 const std::string& source);

}  // namespace harmofl
