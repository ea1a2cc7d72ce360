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

class Golden : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(Golden, AgreesWithTheIndependentImplementation) {
  Trace trace(GetParam());
  const std::string kind = trace.text("case");
  if (kind == "metrics") {
    check_metrics(trace);
  } else if (kind == "ampnorm") {
    check_amplitude(trace);
  } else if (kind == "unet") {
    check_unet(trace);
  } else if (kind == "densenet") {
    check_densenet(trace);
  } else if (kind == "wpoptim") {
    check_perturbed_step(trace);
  } else {
    ASSERT_EQ(kind, "fed") << trace.name() << ": traces of an unknown kind";
    check_federated(trace);
  }
  if (world().is_root()) std::cout << "[ golden   ] " << trace.report() << std::endl;
}

std::string test_name(const testing::TestParamInfo<std::filesystem::path>& info) {
  return info.param.stem().string();
}

INSTANTIATE_TEST_SUITE_P(Traces, Golden, testing::ValuesIn(trace_files()), test_name);

}  // namespace
}  // namespace harmofl::test
