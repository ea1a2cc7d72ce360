// SPDX-License-Identifier: Apache-2.0
// Own kernels' distance to float64 beside libtorch's, on inputs that are drawn: every figure of the
// one is at most a multiple of that of the other. The multiple is twice the growth of rounding
// errors by the method (Subject::growth), the two being room for sums of one length that are cut up
// otherwise. What is below the rounding of a result itself passes.
//
// Prints a table. HARMOFL_ROUNDING_SEED and HARMOFL_ROUNDING_CASES draw others, and more.
#include "kernels/rounding/rounding.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace harmofl::test {
namespace {

constexpr double room = 2.0;
constexpr std::uint64_t seed = 2026;
constexpr int cases = 25;

long from_environment(const char* name, long otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtol(text, nullptr, 10);
}

double unit_roundoff(torch::ScalarType type) { return type == torch::kBFloat16 ? 0x1p-9 : 0x1p-24; }

/// One line of the table; expects the largest and the median to be within `multiple`.
void judge(const Subject& subject, const std::string& result, const char* norm,
           const Errors& errors, double multiple) {
  const double least = unit_roundoff(subject.type);
  const double own = median(errors.own), plain = median(errors.plain);
  const double most = largest(errors.own), plain_most = largest(errors.plain);
  std::printf("%-22s %-9s %-4s %9.2e %9.2e %9.2e %9.2e %6.2f %6.2f %6.2f\n", subject.name.c_str(),
              result.c_str(), norm, own, most, plain, plain_most, own / plain, most / plain_most,
              multiple);
  EXPECT_LE(own, multiple * std::max(plain, least)) << result << ", median by " << norm;
  EXPECT_LE(most, multiple * std::max(plain_most, least)) << result << ", largest by " << norm;
}

class Rounding : public testing::TestWithParam<Subject> {};

TEST_P(Rounding, is_at_most_a_multiple_of_libtorchs) {
  const Subject& subject = GetParam();
  const auto drawn = from_environment("HARMOFL_ROUNDING_SEED", seed);
  const auto count = from_environment("HARMOFL_ROUNDING_CASES", cases);
  const auto rounding =
      measure(subject, static_cast<std::uint64_t>(drawn), static_cast<int>(count));
  std::printf("%-22s %-9s %-4s %9s %9s %9s %9s %6s %6s %6s\n", "kernel", "what", "by", "own median",
              "max", "libtorch", "max", "ratio", "of max", "bound");
  if (rounding.without_yardstick > 0) {
    std::printf("%d results left out: libtorch's own are not finite\n", rounding.without_yardstick);
  }
  for (std::size_t r = 0; r < subject.results.size(); ++r) {
    ASSERT_GE(static_cast<long>(rounding.by_norm[r].own.size()), count / 2);
    judge(subject, subject.results[r], "l2", rounding.by_norm[r], room * subject.growth);
    judge(subject, subject.results[r], "max", rounding.by_element[r],
          room * subject.largest_growth);
  }
}

std::string test_name(const testing::TestParamInfo<Subject>& info) {
  std::string name = info.param.name;
  std::erase(name, ',');
  std::ranges::replace(name, ' ', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Kernels, Rounding, testing::ValuesIn(subjects()), test_name);

}  // namespace
}  // namespace harmofl::test
