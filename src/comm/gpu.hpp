// SPDX-License-Identifier: Apache-2.0
/// What this layer needs of CUDA and of MPI's view of it. Builds without CUDA have no GPU.
#pragma once

#include "comm/transport.hpp"
#include "comm/transport_choice.hpp"

namespace harmofl {

/// The current GPU of this rank. Throws RankFailure when CUDA cannot tell.
GpuPlace current_gpu(const Communicator& comm);

/// Waits until the work launched on a stream is done. Throws RankFailure when it failed.
void wait_for(StreamHandle stream);

/// Whether the MPI library says that it takes pointers to GPU memory.
bool mpi_takes_gpu_memory();

}  // namespace harmofl
