// SPDX-License-Identifier: Apache-2.0
#include "comm/transport.hpp"

#include "base/log.hpp"
#include "comm/gpu/gpu.hpp"
#include "comm/transport_choice.hpp"
#ifdef HARMOFL_WITH_NCCL
#include "comm/gpu/nccl_transport.hpp"
#endif

namespace harmofl {
namespace {

#ifdef HARMOFL_WITH_NCCL
constexpr bool has_nccl = true;
#else
constexpr bool has_nccl = false;
std::unique_ptr<Transport> make_nccl_transport(const Communicator&,
                                               const std::vector<std::int64_t>&, double) {
  return nullptr;
}
#endif

/// Sums buffers by MPI_Allreduce: in host memory, or in GPU memory if the library can.
class MpiTransport final : public Transport {
 public:
  MpiTransport(const Communicator& comm, TransportRoute route) : comm_(comm), route_(route) {}

  std::string_view name() const override { return to_string(route_); }
  bool on_gpu() const override { return route_ == TransportRoute::cuda_aware; }
  void all_reduce_sum(std::span<float> buffer, StreamHandle filled_on) override {
    sum(buffer, filled_on);
  }
  void all_reduce_sum(std::span<std::int64_t> buffer, StreamHandle filled_on) override {
    sum(buffer, filled_on);
  }

 private:
  /// MPI knows no streams: the buffer must be full before it looks at it.
  template <class Number>
  void sum(std::span<Number> buffer, StreamHandle filled_on) {
    if (on_gpu()) wait_for(filled_on);
    comm_.all_reduce_sum(buffer);
  }

  const Communicator& comm_;
  TransportRoute route_;
};

/// Every rank's GPU, by rank. Collective.
std::vector<GpuPlace> gather_places(const Communicator& comm) {
  GpuPlace own;
  comm.agree([&] { own = current_gpu(comm); });
  const std::vector<std::string> hosts = comm.all_gather(own.host);
  const std::vector<std::string> uuids = comm.all_gather(own.uuid);
  const std::vector<std::string> bus_ids = comm.all_gather(own.bus_id);
  const std::vector<std::string> host_ids = comm.all_gather(own.nccl_host_id);
  std::vector<GpuPlace> places;
  for (std::size_t rank = 0; rank < hosts.size(); ++rank) {
    places.push_back({hosts[rank], uuids[rank], bus_ids[rank], host_ids[rank]});
  }
  return places;
}

/// What ranks that share a GPU, and everyone who waits for sums, should know.
void tell(const TransportChoice& choice, const std::vector<GpuPlace>& places) {
  for (const std::string& sharing : shared_gpus(places)) {
    log::warn_once(
        concat(sharing, ": they take turns on it, each with a model and samples of its ",
               "own. Start one rank a GPU, which hosts several clients, to avoid that."));
  }
  log::info(concat("sums over ranks by ", to_string(choice.route), ": ", choice.reason));
}

}  // namespace

std::unique_ptr<Transport> make_transport(TransportKind kind, const Communicator& comm, bool gpu,
                                          double connect_limit_s) {
  TransportSetting setting{.gpu = gpu, .has_nccl = has_nccl};
  if (gpu) {
    if (has_nccl) setting.places = gather_places(comm);
    setting.cuda_aware_mpi = mpi_sums_gpu_memory(comm);
  }
  TransportChoice choice;
  comm.agree([&] { choice = choose_transport(kind, setting); });
  if (gpu && comm.is_root()) tell(choice, setting.places);
  if (choice.route == TransportRoute::nccl) {
    return make_nccl_transport(comm, nccl_leaders(setting.places), connect_limit_s);
  }
  return std::make_unique<MpiTransport>(comm, choice.route);
}

}  // namespace harmofl
