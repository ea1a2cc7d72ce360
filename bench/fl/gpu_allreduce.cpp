// SPDX-License-Identifier: Apache-2.0
// The all-reduce of a model's update where it lies in GPU memory (NCCL, one rank a GPU), in turn
// with the way without NCCL: copied to the host, added up by MPI, copied back.
//
//   mpirun -n GPUS bench_gpu_allreduce values=7800000 repeats=11 device=cuda threads=1
//
// Prints one JSON object on rank 0: seconds of each, by the slowest rank, as lists.
#include "comm/timings.hpp"
#include "comm/transport.hpp"
#include "harmofl/base/error.hpp"
#include "model/device/device.hpp"
#include "program.hpp"

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <span>

namespace {

using namespace harmofl;

struct Ways {
  const Communicator& comm;
  Transport& gpu;
  Transport& host;
};

template <class Value>
std::span<Value> elements(const torch::Tensor& buffer) {
  return {buffer.data_ptr<Value>(), static_cast<std::size_t>(buffer.numel())};
}

template <class Value>
bench::Timings measure(const Ways& ways, torch::Tensor buffer, std::int64_t repeats) {
  const torch::Tensor staged = torch::empty(
      buffer.sizes(), torch::TensorOptions(buffer.scalar_type()).pinned_memory(buffer.is_cuda()));
  const auto check = [&](const Transport& transport) {
    HARMOFL_VALIDATE(buffer.eq(ways.comm.size()).all().item<bool>(), "the sum by ",
                     transport.name(), " is wrong.");
    buffer.fill_(1);
  };
  bench::Timings found;
  for (std::int64_t i = -2; i < repeats; ++i) {  // two to warm up
    const double ours = bench::timed(ways.comm, [&] {
      ways.gpu.all_reduce_sum(elements<Value>(buffer), current_stream(buffer.device()));
    });
    check(ways.gpu);
    const double bare = bench::timed(ways.comm, [&] {
      staged.copy_(buffer);
      ways.host.all_reduce_sum(elements<Value>(staged));
      buffer.copy_(staged);
    });
    check(ways.host);
    if (i < 0) continue;
    found.ours.push_back(ours);
    found.bare.push_back(bare);
  }
  return found;
}

void all_reduce(const bench::Arguments& arguments, const Communicator& comm) {
  const torch::Device device = bench::choose_device(arguments, comm);
  const std::int64_t values = arguments.number("values");
  const std::int64_t repeats = arguments.number("repeats");
  const auto gpu = make_transport(TransportKind::automatic, comm, device.is_cuda());
  const auto host = make_transport(TransportKind::mpi, comm, false);
  const Ways ways{comm, *gpu, *host};
  const auto ones = [&](torch::Dtype type) {
    return torch::ones({values}, torch::TensorOptions(device).dtype(type));
  };
  const bench::Timings fast = measure<float>(ways, ones(torch::kFloat32), repeats);
  const bench::Timings exact = measure<std::int64_t>(ways, ones(torch::kInt64), repeats);
  if (comm.is_root()) bench::print(gpu->name(), values, fast, exact);
}

}  // namespace

int main(int argc, char** argv) {
  const MpiSession session(argc, argv);
  const Communicator comm = Communicator::world();
  return bench::run_program(
      argc, argv, [&](const bench::Arguments& arguments) { all_reduce(arguments, comm); });
}
