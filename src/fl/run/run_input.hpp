// SPDX-License-Identifier: Apache-2.0
/// How files come to all ranks: the root reads and verifies them, the others get what it has.
#pragma once

#include "comm/communicator.hpp"
#include "harmofl/fl/named_state.hpp"
#include "harmofl/model/parameter_vector.hpp"
#include "io/checkpoint/checkpoint.hpp"

#include <torch/types.h>

#include <filesystem>
#include <optional>

namespace harmofl {

/// Opens the checkpoint `path` on every rank. The root reads all of it and verifies it first, the
/// others do not. Collective.
CheckpointReader open_checkpoint(const std::filesystem::path& path, const Communicator& comm);

/// Opens on the other ranks the checkpoint that the root has opened, as `open_checkpoint`.
/// Collective; `checkpoint` matters on the root, where there must be one.
CheckpointReader open_as_root(std::optional<CheckpointReader> checkpoint, const Communicator& comm);

/// Makes the state of a model, of which every rank has one of the same network, that of the root's.
/// Collective.
void broadcast_state(const ParameterVector& model, const Communicator& comm);

/// Makes what is kept that of the root. Collective.
void broadcast_state(NamedState& kept, torch::Device device, const Communicator& comm);

}  // namespace harmofl
