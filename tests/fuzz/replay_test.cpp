// SPDX-License-Identifier: Apache-2.0
// Gives every target the inputs that the repository keeps: corpus/ (what fuzzing starts from) and
// found/ (what once went wrong). Needs no fuzzer.
#include "fuzz/targets.hpp"
#include "harmofl/base/error.hpp"
#include "support/file_content.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace harmofl::fuzz {
namespace {

namespace fs = std::filesystem;

struct Case {
  const char* name;
  void (*run)(std::string_view);
};

constexpr Case cases[] = {
#define HARMOFL_FUZZ_CASE(name) {#name, name},
    HARMOFL_FUZZ_TARGETS(HARMOFL_FUZZ_CASE)
#undef HARMOFL_FUZZ_CASE
};

/// Runs `run` on every file of `folder`; returns how many inputs it did not refuse.
int accepted(const Case& target, const fs::path& folder) {
  int count = 0;
  if (!fs::exists(folder)) return count;
  for (const auto& entry : fs::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path().string());
    try {
      target.run(test::content_of(entry.path()));
      ++count;
    } catch (const Error&) {  // refused with a message
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }
  return count;
}

class FuzzReplay : public testing::TestWithParam<Case> {};

TEST_P(FuzzReplay, refuses_or_reads_every_kept_input) {
  const fs::path root = HARMOFL_FUZZ_FOLDER;
  // A corpus of which nothing is read would test the first check alone.
  EXPECT_GT(accepted(GetParam(), root / "corpus" / GetParam().name), 0);
  accepted(GetParam(), root / "found" / GetParam().name);
}

INSTANTIATE_TEST_SUITE_P(, FuzzReplay, testing::ValuesIn(cases),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

}  // namespace
}  // namespace harmofl::fuzz
