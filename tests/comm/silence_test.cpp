// SPDX-License-Identifier: Apache-2.0
#include "comm/silence.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <utility>
#include <vector>

namespace harmofl {
namespace {

constexpr double floor_s = SilenceLimits::floor_s;
constexpr double first_s = SilenceLimits::first_s;
constexpr double margin = SilenceLimits::margin;

using Seen = std::vector<std::pair<std::string, double>>;

SilenceLimits limits_after(const Seen& seen) {
  SilenceLimits limits(std::nullopt);
  for (const auto& [what, seconds] : seen) limits.learn(what, seconds);
  return limits;
}

TEST(SilenceLimits, are_the_number_given_whatever_was_seen) {
  SilenceLimits limits(30.0);
  limits.learn("training a", 1e6);
  for (const Work work : {Work::own, Work::waiting, Work::together}) {
    EXPECT_EQ(limits.limit_s("training a", work), 30.0);
    EXPECT_EQ(SilenceLimits(0.0).limit_s("x", work), std::numeric_limits<double>::infinity());
  }
}

struct SilenceCase {
  std::string name;
  Seen seen;
  std::string what;
  Work work;
  double limit_s;
};

TEST(SilenceLimits, follow_from_what_was_seen) {
  const double day = 86400.0;
  const std::vector<SilenceCase> cases{
      {"nothing yet", {}, "training a", Work::own, first_s},
      {"nothing yet, waiting", {}, "waiting", Work::waiting, first_s},
      {"all begin at once", {}, "summing", Work::together, floor_s},
      {"quick work has the floor", {{"training a", 2.0}}, "training a", Work::own, floor_s},
      {"slow work has the margin", {{"training a", 1e4}}, "training a", Work::own, margin * 1e4},
      {"the longest time counts",
       {{"training a", 1e4}, {"training a", 1.0}},
       "training a",
       Work::own,
       margin * 1e4},
      {"a small client says nothing of another",
       {{"training a", 2.0}},
       "training b",
       Work::own,
       first_s},
      {"a day's work makes more of them likely",
       {{"training a", day}},
       "training b",
       Work::own,
       margin * day},
      {"an epoch says nothing of a save", {{"training a", 2.0}}, "saving", Work::own, first_s},
      {"short waits say nothing of the next",
       {{"waiting", 2.0}},
       "waiting",
       Work::waiting,
       first_s},
      {"who works for a day may be waited for",
       {{"training a", day}},
       "waiting",
       Work::waiting,
       margin * day},
      {"long work says nothing of sums", {{"training a", day}}, "summing", Work::together, floor_s},
      {"slow sums have the margin", {{"summing", 1e3}}, "summing", Work::together, margin * 1e3},
  };
  for (const SilenceCase& one : cases) {
    EXPECT_EQ(limits_after(one.seen).limit_s(one.what, one.work), one.limit_s) << one.name;
  }
}

// Clients that take from a second to twenty hours, each half as long again in every round as in the
// one before: nothing of it is a hang.
TEST(SilenceLimits, never_end_a_run_that_only_grows_slower) {
  SilenceLimits limits(std::nullopt);
  for (double slower = 1.0; slower < 8.0; slower *= 1.5) {
    double usual_s = 0.72;
    for (const std::string client : {"a", "b", "c", "d", "e", "f"}) {
      const double seconds = usual_s * slower;
      EXPECT_LT(seconds, limits.limit_s(client, Work::own)) << client << ", times " << slower;
      EXPECT_LT(seconds, limits.limit_s("waiting", Work::waiting));
      limits.learn(client, seconds);
      usual_s *= 10.0;
    }
  }
}

}  // namespace
}  // namespace harmofl
