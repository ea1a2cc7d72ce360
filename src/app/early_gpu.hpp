// SPDX-License-Identifier: Apache-2.0
/// What must be done with a GPU before MPI starts.
#pragma once

#include "app/commands/commands.hpp"

namespace harmofl {

/// Whether the arguments of `harmofl` are those of a command that computes on GPUs. False too where
/// they cannot be understood: the command says that itself.
bool computes_on_gpus(const Arguments& arguments);

/// Makes this rank's GPU the current one (take_gpu_before_mpi), where the arguments ask for one and
/// the build has CUDA.
void take_gpu_early(const Arguments& arguments);

}  // namespace harmofl
