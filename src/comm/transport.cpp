#include "harmofl/comm/transport.hpp"

#ifdef HARMOFL_WITH_NCCL
#include "nccl_transport.hpp"
#endif

namespace harmofl {
namespace {

/// Sums buffers in host memory by MPI_Allreduce.
class MpiTransport final : public Transport {
 public:
  explicit MpiTransport(const Communicator& comm) : comm_(comm) {}

  std::string_view name() const override { return "mpi"; }
  bool on_gpu() const override { return false; }
  void all_reduce_sum(std::span<float> buffer) override { comm_.all_reduce_sum(buffer); }
  void all_reduce_sum(std::span<std::int64_t> buffer) override { comm_.all_reduce_sum(buffer); }

 private:
  const Communicator& comm_;
};

#ifdef HARMOFL_WITH_NCCL
constexpr bool has_nccl = true;
#else
constexpr bool has_nccl = false;
std::unique_ptr<Transport> make_nccl_transport(const Communicator&) { return nullptr; }
#endif

}  // namespace

std::unique_ptr<Transport> make_transport(TransportKind kind, const Communicator& comm, bool gpu) {
  const bool nccl =
      kind == TransportKind::nccl || (kind == TransportKind::automatic && gpu && has_nccl);
  if (!nccl) return std::make_unique<MpiTransport>(comm);
  HARMOFL_VALIDATE(gpu, "Transport nccl was asked for, but the parameters lie in host memory, and ",
                   "NCCL sums GPU memory only. Use a GPU, or transport mpi.");
  HARMOFL_VALIDATE(has_nccl, "Transport nccl was asked for, but this build has no NCCL. Configure ",
                   "with -DHARMOFL_CUDA=ON, or use transport mpi.");
  return make_nccl_transport(comm);
}

}  // namespace harmofl
