// One test a file of the folder of traces.
#include "golden/trace.hpp"
#include "support/world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

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

/// A file, and whether images lie channels-last in memory, where other kernels compute.
class Golden : public testing::TestWithParam<std::tuple<std::filesystem::path, bool>> {};

TEST_P(Golden, AgreesWithTheIndependentImplementation) {
  const auto& [path, channels_last] = GetParam();
  Trace trace(path);
  const std::string kind = trace.text("case");
  if (kind == "metrics") {
    check_metrics(trace);
  } else if (kind == "ampnorm") {
    check_amplitude(trace);
  } else if (kind == "unet") {
    check_unet(trace, channels_last);
  } else if (kind == "densenet") {
    check_densenet(trace, channels_last);
  } else if (kind == "wpoptim") {
    check_perturbed_step(trace, channels_last);
  } else {
    ASSERT_EQ(kind, "fed") << trace.name() << ": traces of an unknown kind";
    check_federated(trace, channels_last);
  }
  if (world().is_root()) std::cout << "[ golden   ] " << trace.report() << std::endl;
}

std::string test_name(const testing::TestParamInfo<Golden::ParamType>& info) {
  const auto& [path, channels_last] = info.param;
  return path.stem().string() + (channels_last ? "_channels_last" : "");
}

/// Every file, and those of networks in both orders of memory.
std::vector<Golden::ParamType> cases() {
  std::vector<Golden::ParamType> all;
  for (const std::filesystem::path& path : trace_files()) {
    const std::string kind = Trace(path).text("case");
    all.emplace_back(path, false);
    if (kind != "metrics" && kind != "ampnorm") all.emplace_back(path, true);
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Traces, Golden, testing::ValuesIn(cases()), test_name);

}  // namespace
}  // namespace harmofl::test
