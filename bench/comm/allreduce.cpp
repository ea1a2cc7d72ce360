// The all-reduce of a model's update against a bare MPI_Allreduce of as many bytes, in turn.
//
//   mpirun -n RANKS bench_allreduce VALUES [REPEATS]
//
// Prints one JSON object on rank 0: seconds of each, by the slowest rank, as lists.
#include "harmofl/comm/communicator.hpp"
#include "harmofl/comm/transport.hpp"

#include <mpi.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

namespace {

using harmofl::Communicator;
using harmofl::Transport;

/// Seconds of `sum`, begun together, on the slowest rank.
template <class Sum>
double timed(const Sum& sum) {
  MPI_Barrier(MPI_COMM_WORLD);
  const double start = MPI_Wtime();
  sum();
  double seconds = MPI_Wtime() - start;
  MPI_Allreduce(MPI_IN_PLACE, &seconds, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return seconds;
}

struct Timings {
  std::vector<double> ours, bare;
};

template <class Value>
Timings measure(Transport& transport, std::int64_t values, int repeats, MPI_Datatype type) {
  std::vector<Value> buffer(static_cast<std::size_t>(values), Value{1});
  Timings found;
  for (int i = -2; i < repeats; ++i) {  // two to warm up
    const double ours = timed([&] { transport.all_reduce_sum(std::span<Value>(buffer)); });
    std::ranges::fill(buffer, Value{1});
    const double bare = timed([&] {
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

std::string list(const std::vector<double>& seconds) {
  std::string text;
  for (const double value : seconds) text += (text.empty() ? "" : ", ") + std::to_string(value);
  return "[" + text + "]";
}

void print(const char* kind, std::int64_t bytes, const Timings& found, const char* end) {
  std::printf("\"%s\": {\"bytes\": %ld, \"ours_s\": %s, \"bare_s\": %s}%s", kind,
              static_cast<long>(bytes), list(found.ours).c_str(), list(found.bare).c_str(), end);
}

}  // namespace

int main(int argc, char** argv) {
  const harmofl::MpiSession session(argc, argv);
  const Communicator comm = Communicator::world();
  const std::int64_t values = argc > 1 ? std::atoll(argv[1]) : 7'800'000;
  const int repeats = argc > 2 ? std::atoi(argv[2]) : 11;
  const auto transport = harmofl::make_transport(harmofl::TransportKind::mpi, comm, false);
  const Timings fast = measure<float>(*transport, values, repeats, MPI_FLOAT);
  const Timings exact = measure<std::int64_t>(*transport, values, repeats, MPI_INT64_T);
  if (!comm.is_root()) return 0;
  std::printf("{");
  print("fast", values * 4, fast, ", ");
  print("exact", values * 8, exact, "}\n");
  return 0;
}
