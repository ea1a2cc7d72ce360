// SPDX-License-Identifier: Apache-2.0
#ifdef HARMOFL_WITH_NCCL

#include "comm/gpu/nccl_ranks.hpp"

#include "base/timer.hpp"
#include "comm/gpu/cuda_check.hpp"

#include <chrono>
#include <exception>
#include <string>
#include <thread>

namespace harmofl {
namespace {

constexpr double farewell_s = 10.0;  ///< Seconds in which ranks that are all there take leave.
constexpr std::chrono::milliseconds pause(1);  ///< Between looks at what takes seconds.

/// Whether the call was taken: with a communicator that keeps nobody waiting "in progress" is no
/// failure.
void check_taken(ncclResult_t status, const char* what) {
  if (status != ncclInProgress) check_nccl(status, what);
}

/// What the communicator does: success when it is done with what it was asked for.
ncclResult_t state_of(ncclComm_t comm) {
  ncclResult_t state = ncclSuccess;
  check_nccl(ncclCommGetAsyncError(comm, &state), "tell its state");
  return state;
}

/// Takes leave of the other ranks. False where they do not answer.
bool finalize(ncclComm_t comm) {
  const Stopwatch watch;
  ncclResult_t state = ncclCommFinalize(comm);
  while (state == ncclInProgress && watch.elapsed_s() < farewell_s) {
    std::this_thread::sleep_for(pause);
    if (ncclCommGetAsyncError(comm, &state) != ncclSuccess) return false;
  }
  return state == ncclSuccess;
}

constexpr const char* what_sums = "sum a buffer";

/// Whether the sum goes on. Where all GPUs fail at once, another rank may have given up before NCCL
/// is asked here: an error of the rank's own GPU says more than that.
void check_sum(ncclResult_t status, cudaStream_t stream) {
  if (status == ncclSuccess || status == ncclInProgress) return;
  const cudaError_t done = cudaStreamQuery(stream);
  if (done != cudaErrorNotReady) check_cuda(done, what_sums);
  check_nccl(status, what_sums);
}

}  // namespace

void check_nccl(ncclResult_t status, const char* what) {
  if (status == ncclSuccess) return;
  throw RankFailure(concat("NCCL failed to ", what, ": ", ncclGetErrorString(status),
                           ". Set NCCL_DEBUG=WARN for NCCL's own account, or use transport mpi."));
}

NcclRank::Handle::~Handle() {
  if (comm == nullptr) return;
  if (in_doubt || std::uncaught_exceptions() > 0 || !finalize(comm)) {
    ncclCommAbort(comm);
  } else {
    ncclCommDestroy(comm);
  }
}

NcclRank::NcclRank(const ncclUniqueId& id, int size, int rank, double limit_s) {
  const char* const what = "connect the ranks";
  const Stopwatch watch;
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  handle_.in_doubt = true;
  check_taken(ncclCommInitRankConfig(&handle_.comm, size, id, rank, &config), what);
  while (state() == ncclInProgress) {
    if (limit_s > 0.0 && watch.elapsed_s() > limit_s) {
      throw RankFailure(concat(
          "NCCL has not connected the ", size, " ranks within ", limit_s, " s: one of them did ",
          "not come, or cannot be reached from here. Set NCCL_DEBUG=INFO for NCCL's own account ",
          "and NCCL_SOCKET_IFNAME to the network it is to use, use transport mpi, or give ",
          "comm.timeout more seconds."));
    }
    std::this_thread::sleep_for(pause);
  }
  check_nccl(state(), what);
  handle_.in_doubt = false;
}

ncclResult_t NcclRank::state() const { return state_of(handle_.comm); }

void NcclRank::all_reduce_sum(void* data, std::size_t count, ncclDataType_t type,
                              cudaStream_t stream) {
  handle_.in_doubt = true;
  check_sum(ncclAllReduce(data, data, count, type, ncclSum, handle_.comm, stream), stream);
  wait_until_launched(stream);
  wait_for(stream);
  handle_.in_doubt = false;
}

// Until then the stream does not hold the sum, and would seem to be done.
void NcclRank::wait_until_launched(cudaStream_t stream) {
  while (state() == ncclInProgress) std::this_thread::yield();
  check_sum(state(), stream);
}

// A peer that hangs is the watchdog's business: how long it may take others know better.
void NcclRank::wait_for(cudaStream_t stream) {
  while (true) {
    const cudaError_t done = cudaStreamQuery(stream);
    if (done != cudaErrorNotReady) return check_cuda(done, what_sums);
    check_sum(state(), stream);
    std::this_thread::yield();
  }
}

}  // namespace harmofl

#endif  // HARMOFL_WITH_NCCL
