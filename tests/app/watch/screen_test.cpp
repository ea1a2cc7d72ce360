// SPDX-License-Identifier: Apache-2.0
// A run on screens of all sizes: no line is too wide, and every number is the run's.
#include "app/commands/watch/screen.hpp"

#include "app/commands/watch/drawing.hpp"
#include "harmofl/base/text.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <sstream>

namespace harmofl {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

RunView running(std::int64_t sites) {
  RunView view;
  view.folder = "runs/demo";
  view.name = "demo";
  view.method = "harmofl";
  view.phase = RunPhase::running;
  view.rounds_wanted = 100;
  view.rounds_done = 3;
  view.measure = "dice";
  view.measured = {0, 1, 2};
  for (std::int64_t i = 0; i < sites; ++i) {
    view.sites.push_back(
        {concat("site_", i), i == 2, {0.25, 0.75, 0.5}, {0.125, 0.375, not_a_number}});
  }
  view.best = sites > 0 ? 1 : -1;
  view.train_loss = {0.9, 0.5, 0.4127};
  view.last_round_s = 13.0;
  view.usual_s = 12.0;
  view.phases = {{"train", 9.75, 10.0}, {"wait", 3.25, 6.5}};
  view.ranks = 4;
  view.waiting = Waiting{3, 6.5, 0, "node0: site_0"};
  view.lost = {{"straggler", 2}};
  view.news_age_s = 4.0;
  view.saved_age_s = 90.0;
  return view;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(RunScreen, keeps_to_the_width_whatever_there_is_to_say) {
  RunView long_names = running(3);
  long_names.name = std::string(300, 'n');
  long_names.sites[0].site = "äöü" + std::string(300, 's');
  long_names.lost[std::string(300, 'l')] = 1;
  RunView empty;
  RunView odd = running(2);
  odd.train_loss.back() = not_a_number;
  odd.sites[0].val = {not_a_number, std::nullopt, std::numeric_limits<double>::infinity()};
  odd.rounds_wanted = 0;
  for (const RunView& view : {running(0), running(1), running(30), long_names, empty, odd}) {
    for (const std::int64_t width : {1, 10, 40, 80, 200}) {
      for (const bool unicode : {true, false}) {
        const Screen screen{.width = width, .unicode = unicode};
        for (const std::string& text :
             {run_screen(view, screen), runs_screen({view, view}, screen)}) {
          for (const std::string& line : lines_of(text)) EXPECT_LE(columns_of(line), width) << line;
          EXPECT_EQ(text.find('\033'), std::string::npos);
        }
      }
    }
  }
}

TEST(RunScreen, keeps_to_the_height_and_counts_the_sites_that_it_leaves_out) {
  for (const std::int64_t height : {4, 12, 20, 24}) {
    EXPECT_LE(std::ssize(lines_of(run_screen(running(30), {.height = height}))), height);
  }
  const std::string text = run_screen(running(30), {.height = 24});
  EXPECT_THAT(text, AllOf(HasSubstr("site_9 "), HasSubstr("and 17 more"), HasSubstr("saved ")));
  EXPECT_THAT(run_screen(running(30), {}), AllOf(HasSubstr("site_29"), Not(HasSubstr("more"))));
}

TEST(RunScreen, says_how_far_and_how_good_the_run_is) {
  const std::string text = run_screen(running(2), {.width = 100, .unicode = false});
  EXPECT_THAT(text, HasSubstr("demo  running  harmofl  runs/demo\n"));
  // 97 rounds of 12 s.
  EXPECT_THAT(text, HasSubstr("3 of 100 rounds  #"));
  EXPECT_THAT(text, HasSubstr("3 %  12.0 s a round  19 min 24 s left\n"));
  EXPECT_THAT(text, HasSubstr("best round 1: val dice 0.7500, last 0.5000  train loss 0.4127\n"));
  EXPECT_THAT(text, HasSubstr("site_0    0.5000  0.7500        nan  0.3750  _#=\n"));
  EXPECT_THAT(text, HasSubstr("  train      75 % "));
  EXPECT_THAT(text, HasSubstr("9.8 s    10.0 s\n"));
  EXPECT_THAT(text, HasSubstr("all wait for rank 0 (node0: site_0); rank 3 longest, 6.5 s\n"));
  EXPECT_THAT(text, HasSubstr("lost updates: 2 straggler\n"));
  EXPECT_THAT(text, HasSubstr("saved 1 min 30 s ago, last round ended 4.0 s ago\n"));
}

TEST(RunScreen, says_what_is_wrong) {
  RunView view = running(1);
  view.phase = RunPhase::silent;
  view.news_age_s = 180.0;
  view.usual_s = 20.0;
  view.writer = "process 7 on node0";
  EXPECT_THAT(run_screen(view, {}),
              HasSubstr("no news for 3 min 00 s, rounds take 20.0 s: process 7 on node0\n"));
  view.phase = RunPhase::killed;
  EXPECT_THAT(run_screen(view, {}),
              HasSubstr("its process is gone: process 7 on node0. Go on with --resume.\n"));
  view.phase = RunPhase::stopped;
  EXPECT_THAT(run_screen(view, {}),
              AllOf(HasSubstr("no job writes here"), Not(HasSubstr(" left"))));
  view.unread_lines = 3;
  EXPECT_THAT(run_screen(view, {}), HasSubstr("3 line(s) could not be read\n"));
}

TEST(RunScreen, has_no_numbers_before_the_first_round) {
  RunView view;
  view.name = "demo";
  view.rounds_wanted = 10;
  view.news_age_s = 40.0;
  const std::string text = run_screen(view, {.unicode = false});
  EXPECT_THAT(text, AllOf(HasSubstr("demo  starting"), HasSubstr("0 of 10 rounds"),
                          HasSubstr("no round has ended yet, after 40.0 s\n")));
  EXPECT_THAT(text, Not(AnyOf(HasSubstr("nan"), HasSubstr("left"), HasSubstr("best"))));
}

TEST(RunScreen, colours_only_where_colours_are_wanted) {
  const std::string text = run_screen(running(1), {.width = 200, .colour = true});
  EXPECT_THAT(text, AllOf(HasSubstr("\033[32mrunning\033[0m"), HasSubstr("\033[1mdemo\033[0m")));
}

TEST(RunScreen, shows_names_that_a_terminal_would_obey_as_text) {
  RunView view = running(1);
  view.name = "a\033[2Jb\n";
  view.sites[0].site = "x\r";
  EXPECT_THAT(run_screen(view, {}), AllOf(HasSubstr("a\\x1B[2Jb\\n"), HasSubstr("x\\r")));
}

TEST(RunsScreen, has_a_line_a_run) {
  RunView other = running(0);
  other.name = "other";
  other.phase = RunPhase::finished;
  other.rounds_done = 100;
  const auto lines = lines_of(runs_screen({running(2), other}, {.width = 80}));
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_THAT(lines[1], AllOf(HasSubstr("demo"), HasSubstr("running"), HasSubstr("3/100"),
                              HasSubstr("19 min 24 s"), HasSubstr("0.7500"), HasSubstr("dice")));
  EXPECT_THAT(lines[2], AllOf(HasSubstr("other"), HasSubstr("finished"), HasSubstr("100/100")));
}

TEST(Curve, is_as_high_as_its_values_lie_between_the_lowest_and_the_highest) {
  const Screen ascii{.unicode = false};
  EXPECT_EQ(curve({0.0, 0.5, 1.0}, 10, ascii), "_=#");
  EXPECT_EQ(curve({9.0, 0.0, 0.5, 1.0}, 3, ascii), "_=#");  // the last ones
  EXPECT_EQ(curve({0.25, 0.25}, 10, ascii), "==");
  EXPECT_EQ(curve({not_a_number, std::nullopt, 1.0}, 10, ascii), "? =");
  EXPECT_EQ(curve({0.0, 1.0}, 10, {}), "▁█");
  EXPECT_EQ(curve({0.0}, 0, ascii), "");
  EXPECT_EQ(curve({}, 5, ascii), "");
  EXPECT_EQ(curve({0.5}, -3, ascii), "");
}

TEST(Bar, is_filled_by_its_share) {
  const Screen ascii{.unicode = false};
  EXPECT_EQ(bar(0.5, 4, ascii), "##..");
  EXPECT_EQ(bar(0.0, 2, ascii), "..");
  EXPECT_EQ(bar(7.0, 2, ascii), "##");
  EXPECT_EQ(bar(not_a_number, 2, ascii), "..");
  EXPECT_EQ(bar(1.0, 2, {}), "██");
}

}  // namespace
}  // namespace harmofl
