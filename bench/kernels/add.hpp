// SPDX-License-Identifier: Apache-2.0
/// How the families register their benchmarks.
#pragma once

#include <benchmark/benchmark.h>

#include <string>

namespace harmofl::bench {

/// Registers `work`, a function of a benchmark::State, timed by the clock on the wall.
void add(const std::string& name, const auto& work) {
  benchmark::RegisterBenchmark(name.c_str(), work)->UseRealTime()->Unit(benchmark::kMillisecond);
}

}  // namespace harmofl::bench
