// SPDX-License-Identifier: Apache-2.0
// All-reduce of GPU memory by NCCL, on a stream of its own. An event orders the sum after the work
// that fills the buffer, on whatever stream that was launched, and the call returns when the sum is
// done, so that whatever comes next on any stream sees it. While it waits it asks NCCL whether a
// peer failed; a peer that hangs is the watchdog's business. After a failure the communicator is
// aborted: destroying it in good order would wait for the peer that is gone.
#ifdef HARMOFL_WITH_NCCL

#include "comm/nccl_transport.hpp"

#include "comm/cuda_check.hpp"

#include <nccl.h>

#include <exception>
#include <string>
#include <thread>

namespace harmofl {
namespace {

void check_nccl(ncclResult_t status, const char* what) {
  if (status == ncclSuccess) return;
  throw RankFailure(concat("NCCL failed to ", what, ": ", ncclGetErrorString(status),
                           ". Set NCCL_DEBUG=WARN for NCCL's own account, or use transport mpi."));
}

class NcclTransport final : public Transport {
 public:
  explicit NcclTransport(const Communicator& comm) {
    ncclUniqueId id{};
    comm.agree([&] {
      if (comm.is_root()) check_nccl(ncclGetUniqueId(&id), "make a unique id");
    });
    comm.broadcast_value(id);
    comm.agree([&] { make_stream(); });
    connect(id, comm);
  }

  ~NcclTransport() override { release(); }
  NcclTransport(const NcclTransport&) = delete;
  NcclTransport& operator=(const NcclTransport&) = delete;

  std::string_view name() const override { return "nccl"; }
  bool on_gpu() const override { return true; }

  void all_reduce_sum(std::span<float> buffer, StreamHandle filled_on) override {
    sum(buffer.data(), buffer.size(), ncclFloat, filled_on);
  }
  void all_reduce_sum(std::span<std::int64_t> buffer, StreamHandle filled_on) override {
    sum(buffer.data(), buffer.size(), ncclInt64, filled_on);
  }

 private:
  void make_stream() {
    check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "make a stream");
    check_cuda(cudaEventCreateWithFlags(&filled_, cudaEventDisableTiming), "make an event");
  }

  void connect(const ncclUniqueId& id, const Communicator& comm) {
    const int rank = static_cast<int>(comm.rank().value());
    check_nccl(ncclCommInitRank(&nccl_, static_cast<int>(comm.size()), id, rank),
               "connect the ranks");
  }

  void sum(void* data, std::size_t count, ncclDataType_t type, StreamHandle filled_on) {
    if (count == 0) return;
    in_doubt_ = true;
    check_cuda(cudaEventRecord(filled_, static_cast<cudaStream_t>(filled_on)), "record an event");
    check_cuda(cudaStreamWaitEvent(stream_, filled_, 0), "order two streams");
    check_nccl(ncclAllReduce(data, data, count, type, ncclSum, nccl_, stream_), "sum a buffer");
    wait();
    in_doubt_ = false;
  }

  void wait() const {
    while (true) {
      const cudaError_t done = cudaStreamQuery(stream_);
      if (done != cudaErrorNotReady) return check_cuda(done, "sum a buffer");
      ncclResult_t state = ncclSuccess;
      check_nccl(ncclCommGetAsyncError(nccl_, &state), "tell its state");
      check_nccl(state, "sum a buffer");
      std::this_thread::yield();
    }
  }

  void release() noexcept {
    if (nccl_ != nullptr && (in_doubt_ || std::uncaught_exceptions() > 0)) {
      ncclCommAbort(nccl_);
    } else if (nccl_ != nullptr) {
      ncclCommDestroy(nccl_);
    }
    if (filled_ != nullptr) cudaEventDestroy(filled_);
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }

  cudaStream_t stream_ = nullptr;
  cudaEvent_t filled_ = nullptr;
  ncclComm_t nccl_ = nullptr;
  bool in_doubt_ = false;  ///< A sum has begun and not ended well.
};

}  // namespace

std::unique_ptr<Transport> make_nccl_transport(const Communicator& comm) {
  return std::make_unique<NcclTransport>(comm);
}

}  // namespace harmofl

#endif  // HARMOFL_WITH_NCCL
