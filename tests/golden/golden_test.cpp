// SPDX-License-Identifier: Apache-2.0
// One test a file of the folder of traces and way of computing: by libtorch's operations on
// contiguous images, as the traces were made, by the paths that GPUs take, and by the kernels of
// src/kernels for what some steps or less compute. Whole runs by own kernels are judged by
// tests/fl/kernel_divergence_test.cpp.
#include "base/host_paths.hpp"
#include "golden/trace.hpp"
#include "support/world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <optional>
#include <string>

namespace harmofl::test {
namespace {

std::vector<std::filesystem::path> trace_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(trace_folder())) {
    const auto& path = entry.path();
    if (path.extension() == ".h5" && path.stem() != "fed_common") files.push_back(path);
  }
  std::ranges::sort(files);
  return files;
}

struct Case {
  std::filesystem::path path;
  std::string by;
  Computation computation;

  std::string name() const { return path.stem().string() + "_" + by; }
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const auto& path : trace_files()) {
    all.push_back({path, "libtorch", {Kernels::libtorch, false}});
    all.push_back({path, "gpu_paths", {Kernels::own, false, /*gpu_paths=*/true}});
    const bool whole_run = path.stem().string().starts_with("fed_");
    if (!whole_run) all.push_back({path, "own", {Kernels::own, true}});
  }
  return all;
}

class Golden : public testing::TestWithParam<Case> {};

TEST_P(Golden, agrees_with_the_independent_implementation) {
  const Computation by = GetParam().computation;
  std::optional<GpuPaths> paths;
  if (by.gpu_paths) paths.emplace();
  Trace trace(GetParam().path);
  const std::string kind = trace.text("case");
  if (kind == "metrics") {
    check_metrics(trace, by);
  } else if (kind == "ampnorm") {
    check_amplitude(trace, by);
  } else if (kind == "unet") {
    check_unet(trace, by);
  } else if (kind == "densenet") {
    check_densenet(trace, by);
  } else if (kind == "wpoptim") {
    check_perturbed_step(trace, by);
  } else {
    ASSERT_EQ(kind, "fed") << trace.name() << ": traces of an unknown kind";
    check_federated(trace, by);
  }
  if (world().is_root()) {
    std::cout << "[ golden   ] by " << GetParam().by << ", " << trace.report() << std::endl;
  }
}

INSTANTIATE_TEST_SUITE_P(Traces, Golden, testing::ValuesIn(cases()),
                         [](const auto& instance) { return instance.param.name(); });

}  // namespace
}  // namespace harmofl::test
