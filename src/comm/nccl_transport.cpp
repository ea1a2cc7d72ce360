// All-reduce of GPU memory by NCCL, on a stream of its own. The work that fills a buffer runs on
// the default stream: an event orders the sum after it, and the call returns when the sum is done,
// so that whatever comes next on the default stream sees it. While it waits it asks NCCL whether a
// peer failed; a peer that hangs is the watchdog's business.
#ifdef HARMOFL_WITH_NCCL

#include "nccl_transport.hpp"

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <array>
#include <cstdlib>
#include <map>
#include <thread>

namespace harmofl {
namespace {

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw RankFailure(concat("CUDA failed to ", what, ": ", cudaGetErrorString(status), " (",
                           cudaGetErrorName(status), "). Check the GPU with nvidia-smi."));
}

void check(ncclResult_t status, const char* what) {
  if (status == ncclSuccess) return;
  throw RankFailure(concat("NCCL failed to ", what, ": ", ncclGetErrorString(status),
                           ". Set NCCL_DEBUG=WARN for NCCL's own account, or use transport mpi."));
}

std::string current_device_name() {
  int device = 0;
  check(cudaGetDevice(&device), "tell the current device");
  std::array<char, 32> bus_id{};
  check(cudaDeviceGetPCIBusId(bus_id.data(), static_cast<int>(bus_id.size()), device),
        "tell the device's bus id");
  return bus_id.data();
}

/// NCCL refuses two ranks on one device with a text that few can read; say it plainly before.
/// With NCCL_HOSTID set, the user has told NCCL to take such ranks for different hosts.
void check_devices_differ(const Communicator& comm) {
  std::string device;
  comm.agree([&] { device = comm.host() + " " + current_device_name(); });
  if (comm.any(std::getenv("NCCL_HOSTID") != nullptr)) return;
  std::map<std::string, std::size_t> owner;
  const std::vector<std::string> devices = comm.all_gather(device);
  for (std::size_t rank = 0; rank < devices.size(); ++rank) {
    const auto [other, is_first] = owner.emplace(devices[rank], rank);
    HARMOFL_VALIDATE(is_first, "Ranks ", other->second, " and ", rank, " share the GPU ",
                     devices[rank], ", which NCCL does not support. Start one rank a GPU, or use ",
                     "transport mpi.");
  }
}

class NcclTransport final : public Transport {
 public:
  explicit NcclTransport(const Communicator& comm) {
    check_devices_differ(comm);
    std::string id_bytes;
    comm.agree([&] {
      if (!comm.is_root()) return;
      ncclUniqueId id;
      check(ncclGetUniqueId(&id), "make a unique id");
      id_bytes.assign(id.internal, sizeof(id.internal));
    });
    comm.broadcast(id_bytes);
    comm.agree([&] { make_stream(); });
    connect(id_bytes, comm);
  }

  ~NcclTransport() override { release(); }
  NcclTransport(const NcclTransport&) = delete;
  NcclTransport& operator=(const NcclTransport&) = delete;

  std::string_view name() const override { return "nccl"; }
  bool on_gpu() const override { return true; }

  void all_reduce_sum(std::span<float> buffer) override {
    sum(buffer.data(), buffer.size(), ncclFloat);
  }
  void all_reduce_sum(std::span<std::int64_t> buffer) override {
    sum(buffer.data(), buffer.size(), ncclInt64);
  }

 private:
  void make_stream() {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "make a stream");
    check(cudaEventCreateWithFlags(&filled_, cudaEventDisableTiming), "make an event");
  }

  void connect(const std::string& id_bytes, const Communicator& comm) {
    ncclUniqueId id;
    id_bytes.copy(id.internal, sizeof(id.internal));
    const int rank = static_cast<int>(comm.rank().value());
    check(ncclCommInitRank(&nccl_, static_cast<int>(comm.size()), id, rank), "connect the ranks");
  }

  void sum(void* data, std::size_t count, ncclDataType_t type) {
    if (count == 0) return;
    check(cudaEventRecord(filled_, cudaStreamLegacy), "record an event");
    check(cudaStreamWaitEvent(stream_, filled_, 0), "order two streams");
    check(ncclAllReduce(data, data, count, type, ncclSum, nccl_, stream_), "sum a buffer");
    wait();
  }

  void wait() const {
    while (true) {
      const cudaError_t done = cudaStreamQuery(stream_);
      if (done != cudaErrorNotReady) return check(done, "sum a buffer");
      ncclResult_t state = ncclSuccess;
      check(ncclCommGetAsyncError(nccl_, &state), "tell its state");
      check(state, "sum a buffer");
      std::this_thread::yield();
    }
  }

  void release() noexcept {
    if (nccl_ != nullptr) ncclCommDestroy(nccl_);
    if (filled_ != nullptr) cudaEventDestroy(filled_);
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }

  cudaStream_t stream_ = nullptr;
  cudaEvent_t filled_ = nullptr;
  ncclComm_t nccl_ = nullptr;
};

}  // namespace

std::unique_ptr<Transport> make_nccl_transport(const Communicator& comm) {
  return std::make_unique<NcclTransport>(comm);
}

}  // namespace harmofl

#endif  // HARMOFL_WITH_NCCL
