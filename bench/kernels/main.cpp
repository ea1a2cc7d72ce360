// SPDX-License-Identifier: Apache-2.0
// Runs the registered kernels as the program itself runs: with its way of keeping memory and one
// thread unless OMP_NUM_THREADS says otherwise.
#include "base/process/memory.hpp"

#include <benchmark/benchmark.h>

int main(int argc, char** argv) {
  harmofl::keep_freed_memory();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
