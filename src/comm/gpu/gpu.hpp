// SPDX-License-Identifier: Apache-2.0
/// What this layer needs of CUDA and of MPI's view of it. Builds without CUDA have no GPU.
#pragma once

#include "comm/transport.hpp"
#include "comm/transport_choice.hpp"

#include <optional>
#include <string>
#include <vector>

namespace harmofl {

/// UUIDs of the GPUs that this process may use, by its index; none where CUDA finds none.
std::vector<std::string> visible_gpus();

/// Index of the GPU that this rank takes (assign_gpus), whatever each rank sees. Collective.
int gpu_of_rank(const Communicator& comm);

/// Makes a GPU the current one before MPI starts, for MPI libraries that look at it then, and gives
/// its index: the only one visible, else that at this rank's place on its host, where the launcher
/// says it beyond doubt. None, and nothing done, where that says nothing or CUDA fails: the error
/// comes when the rank takes its GPU. Call it only where the rank will compute on one.
std::optional<int> take_gpu_before_mpi();

/// The current GPU of this rank. Throws RankFailure when CUDA cannot tell.
GpuPlace current_gpu(const Communicator& comm);

/// Waits until the work launched on a stream is done. Throws RankFailure when it failed.
void wait_for(StreamHandle stream);

/// Whether MPI sums GPU memory rightly: where the library says on every rank that it takes pointers
/// to it, short and long sums are made and looked at. A library that says nothing of it is not
/// tried, for one that cannot would read the pointer as host memory and end the process.
/// Collective.
bool mpi_sums_gpu_memory(const Communicator& comm);

}  // namespace harmofl
