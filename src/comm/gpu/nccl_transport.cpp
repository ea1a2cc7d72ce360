// SPDX-License-Identifier: Apache-2.0
// All-reduce of GPU memory by NCCL, on a stream of its own. An event orders the sum after the work
// that fills the buffer, on whatever stream that was launched, and the call returns when the sum is
// done, so that whatever comes next on any stream sees it.
//
// NCCL takes one rank a GPU. Ranks that share one sum in host memory first; the lowest of them,
// their leader, takes what comes out to NCCL and hands the sum back to the others:
//
//     GPU memory -> host -> sum of those who share -> leader: GPU, NCCL, host -> all: GPU memory
#ifdef HARMOFL_WITH_NCCL

#include "comm/gpu/nccl_transport.hpp"

#include "base/range.hpp"
#include "comm/gpu/cuda_check.hpp"
#include "comm/gpu/cuda_handles.hpp"
#include "comm/gpu/nccl_ranks.hpp"

#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

namespace harmofl {
namespace {

constexpr ncclDataType_t type_in_nccl(float) { return ncclFloat; }
constexpr ncclDataType_t type_in_nccl(std::int64_t) { return ncclInt64; }

class NcclTransport final : public Transport {
 public:
  NcclTransport(const Communicator& comm, std::int64_t leader, double limit_s)
      : sharers_(comm.split(static_cast<int>(leader))),
        leaders_(comm.split(sharers_.is_root() ? 0 : 1)) {
    ncclUniqueId id{};
    comm.agree([&] {
      if (comm.is_root()) check_nccl(ncclGetUniqueId(&id), "make a unique id");
      stream_.emplace();
      filled_.emplace();
    });
    comm.broadcast_value(id);
    comm.agree([&] {  // communicates, but not for ever where there is a limit
      if (leads()) {
        nccl_.emplace(id, static_cast<int>(leaders_.size()),
                      static_cast<int>(leaders_.rank().value()), limit_s);
      }
    });
  }

  std::string_view name() const override { return "nccl"; }
  bool on_gpu() const override { return true; }
  void all_reduce_sum(std::span<float> buffer, StreamHandle filled_on) override {
    sum(buffer, filled_on);
  }
  void all_reduce_sum(std::span<std::int64_t> buffer, StreamHandle filled_on) override {
    sum(buffer, filled_on);
  }

 private:
  bool leads() const { return sharers_.is_root(); }
  bool shares() const { return sharers_.size() > 1; }

  template <class Number>
  void sum(std::span<Number> buffer, StreamHandle filled_on) {
    if (buffer.empty()) return;
    const Range range("all-reduce by NCCL", {"bytes", std::ssize(std::as_bytes(buffer))});
    filled_->order(static_cast<cudaStream_t>(filled_on), stream_->get());
    if (!shares()) return sum_by_nccl(buffer);
    auto& host = host_memory<Number>();
    host.resize(buffer.size());
    copy(buffer.data(), host.data(), buffer.size_bytes(), cudaMemcpyDeviceToHost);
    sharers_.all_reduce_sum(std::span(host));
    if (leads()) {
      copy(host.data(), buffer.data(), buffer.size_bytes(), cudaMemcpyHostToDevice);
      sum_by_nccl(buffer);
      copy(buffer.data(), host.data(), buffer.size_bytes(), cudaMemcpyDeviceToHost);
    }
    sharers_.broadcast(host);
    if (!leads()) copy(host.data(), buffer.data(), buffer.size_bytes(), cudaMemcpyHostToDevice);
  }

  template <class Number>
  void sum_by_nccl(std::span<Number> buffer) {
    nccl_->all_reduce_sum(buffer.data(), buffer.size(), type_in_nccl(Number{}), stream_->get());
  }

  template <class Number>
  std::vector<Number>& host_memory() {
    if constexpr (std::is_same_v<Number, float>) {
      return floats_;
    } else {
      return integers_;
    }
  }

  /// Copies on the stream and waits for it.
  void copy(const void* from, void* to, std::size_t bytes, cudaMemcpyKind kind) {
    check_cuda(cudaMemcpyAsync(to, from, bytes, kind, stream_->get()), "copy a buffer");
    check_cuda(cudaStreamSynchronize(stream_->get()), "copy a buffer");
  }

  Communicator sharers_;  ///< Ranks on this rank's GPU; the first of them leads.
  Communicator leaders_;  ///< One rank a GPU; for the others, those who lead nobody.
  std::optional<CudaStream> stream_;
  std::optional<CudaEvent> filled_;
  std::optional<NcclRank> nccl_;  ///< On leaders alone. Ends before the stream does.
  std::vector<float> floats_;     ///< Host memory for sums of those who share.
  std::vector<std::int64_t> integers_;
};

}  // namespace

std::unique_ptr<Transport> make_nccl_transport(const Communicator& comm,
                                               const std::vector<std::int64_t>& leaders,
                                               double limit_s) {
  return std::make_unique<NcclTransport>(comm, leaders.at(comm.rank().position()), limit_s);
}

}  // namespace harmofl

#endif  // HARMOFL_WITH_NCCL
