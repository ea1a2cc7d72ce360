// SPDX-License-Identifier: Apache-2.0
/// A stand-in for the CUDA runtime and NCCL, as far as src/comm uses them: the real sources of that
/// layer run on it where no GPU is.
///
/// "GPU memory" is host memory. What is launched on a stream is not done at once: every look at any
/// stream (cudaStreamQuery, a wait) brings each stream on by one step, in its order, and no thread
/// does anything behind the test's back. NCCL's sums go over MPI, and begin only when all ranks
/// have said that they are there, so that a rank which never comes blocks nobody but those who wait
/// for it.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace harmofl::stand_in {

struct Gpu {
  std::string uuid;  ///< 16 characters at most.
  std::string bus_id;
};

/// What goes otherwise than well, on this rank.
struct Faults {
  bool never_connects = false;        ///< Does not come when NCCL connects the ranks.
  bool fails_to_connect = false;      ///< Fails at that, after a while.
  bool never_sums = false;            ///< Its sums do not begin.
  bool never_takes_leave = false;     ///< ncclCommFinalize does not end.
  std::optional<int> sum_that_fails;  ///< Number, from 0, of the sum in which an error comes up.
  bool streams_fail = false;          ///< cudaStreamQuery reports a failed launch.
  bool mpi_takes_gpu_memory = false;  ///< What the MPI library says of itself.
  bool gpu_memory_is_hidden = false;  ///< What MPI does to GPU memory does not get there.
};

/// What was done, on this rank.
struct Counts {
  int connected = 0;  ///< Communicators that all ranks came to.
  int destroyed = 0;  ///< Those that ended in good order.
  int aborted = 0;
  int sums = 0;
  int streams = 0;  ///< Streams that there are, but for the default one.
  int events = 0;
};

/// Begins anew: this rank sees these GPUs, with the first as the current one; nothing is faulty,
/// nothing counted, streams are as quick as their steps. Collective over all ranks of the job.
void reset(std::vector<Gpu> visible);

Faults& faults();
Counts& counts();

/// Lets each piece of work that is launched from now on wait for so many looks before it is done:
/// on one stream, or on those made from now on.
void delay(cudaStream_t stream, int looks);
void delay_new_streams(int looks);

// For the two halves of the stand-in.

/// Puts work on a stream; `step` is called until it returns true.
void launch(cudaStream_t stream, std::function<bool()> step);
/// The current GPU of this rank.
const Gpu& current_gpu();
/// Begins to talk to the other ranks anew. Collective.
void reset_nccl();

}  // namespace harmofl::stand_in
