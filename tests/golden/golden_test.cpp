// SPDX-License-Identifier: Apache-2.0
// One test a file of the folder of traces and memory format of the images: channels-last goes
// through the kernels of src/kernels, contiguous through libtorch.
#include "golden/trace.hpp"
#include "support/world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <tuple>

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

class Golden : public testing::TestWithParam<std::tuple<std::filesystem::path, bool>> {};

TEST_P(Golden, agrees_with_the_independent_implementation) {
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

INSTANTIATE_TEST_SUITE_P(Traces, Golden,
                         testing::Combine(testing::ValuesIn(trace_files()), testing::Bool()),
                         test_name);

}  // namespace
}  // namespace harmofl::test
