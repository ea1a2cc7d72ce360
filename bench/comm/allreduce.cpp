// SPDX-License-Identifier: Apache-2.0
// The all-reduce of a model's update against a bare MPI_Allreduce of as many bytes, in turn.
//
//   mpirun -n RANKS bench_allreduce VALUES [REPEATS]
//
// Prints one JSON object on rank 0: seconds of each, by the slowest rank, as lists.
#include "comm/communicator.hpp"
#include "comm/transport.hpp"
#include "timings.hpp"

#include <mpi.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

namespace {

using harmofl::Communicator;
using harmofl::Transport;
using harmofl::bench::timed;
using harmofl::bench::Timings;

template <class Value>
Timings measure(const Communicator& comm, Transport& transport, std::int64_t values, int repeats,
                MPI_Datatype type) {
  std::vector<Value> buffer(static_cast<std::size_t>(values), Value{1});
  Timings found;
  for (int i = -2; i < repeats; ++i) {  // two to warm up
    const double ours = timed(comm, [&] { transport.all_reduce_sum(std::span<Value>(buffer)); });
    std::ranges::fill(buffer, Value{1});
    const double bare = timed(comm, [&] {
      MPI_Allreduce(MPI_IN_PLACE, buffer.data(), static_cast<int>(values), type, MPI_SUM,
                    MPI_COMM_WORLD);
    });
    std::ranges::fill(buffer, Value{1});
    if (i < 0) continue;
    found.ours.push_back(ours);
    found.bare.push_back(bare);
  }
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  const harmofl::MpiSession session(argc, argv);
  const Communicator comm = Communicator::world();
  const std::int64_t values = argc > 1 ? std::atoll(argv[1]) : 7'800'000;
  const int repeats = argc > 2 ? std::atoi(argv[2]) : 11;
  const auto transport = harmofl::make_transport(harmofl::TransportKind::mpi, comm, false);
  const Timings fast = measure<float>(comm, *transport, values, repeats, MPI_FLOAT);
  const Timings exact = measure<std::int64_t>(comm, *transport, values, repeats, MPI_INT64_T);
  if (comm.is_root()) harmofl::bench::print(transport->name(), values, fast, exact);
  return 0;
}
