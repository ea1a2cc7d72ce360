// SPDX-License-Identifier: Apache-2.0
#include "fl/record/run_log.hpp"

#include "support/errors.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <fstream>
#include <limits>

namespace harmofl {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const Federation& two_sites() {
  static const Federation federation{{Task::segmentation, 2, 3, 32, 32},
                                     {"background", "nucleus"},
                                     {{"north", "", {4, 2, 2}, {}}, {"south", "", {4, 2, 2}, {}}}};
  return federation;
}

Score score(std::int64_t client, Split split, double dice, double loss = 0.5) {
  return {ClientId{client}, split, {{"dice", dice}, {"loss", loss}}, 1.5};
}

/// Scores of both sites: `val` of each, and test 0.1 above.
std::vector<Score> round_of(double north, double south) {
  return {score(0, Split::val, north), score(0, Split::test, north + 0.1),
          score(1, Split::val, south), score(1, Split::test, south + 0.1)};
}

json summary_of(const RunLog& log) {
  return log.summary("harmofl", RoundId{3}, {{"train", 2.0}}, 4096);
}

std::vector<json> lines_of(const std::filesystem::path& file) {
  std::vector<json> lines;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) lines.push_back(json::parse(line));
  return lines;
}

TEST(RunLog, takes_the_round_with_the_highest_mean_over_sites_for_the_best) {
  RunLog log(two_sites(), nullptr);
  EXPECT_TRUE(log.record(RoundId{0}, round_of(0.5, 0.5)));
  EXPECT_FALSE(log.record(RoundId{1}, round_of(0.9, 0.0)));
  EXPECT_TRUE(log.record(RoundId{2}, round_of(0.4, 0.7)));
  EXPECT_EQ(summary_of(log).at("best_round"), 2);
}

TEST(RunLog, keeps_the_first_of_rounds_that_are_equally_good) {
  RunLog log(two_sites(), nullptr);
  EXPECT_TRUE(log.record(RoundId{0}, round_of(0.5, 0.25)));
  EXPECT_FALSE(log.record(RoundId{1}, round_of(0.25, 0.5)));
  EXPECT_EQ(summary_of(log).at("best_round"), 0);
}

TEST(RunLog, lets_only_rounds_with_val_scores_compete) {
  RunLog log(two_sites(), nullptr);
  EXPECT_FALSE(log.record(RoundId{0}, {score(0, Split::test, 0.9), score(0, Split::train, 0.9)}));
  EXPECT_EQ(summary_of(log).at("best_round"), -1);
  EXPECT_TRUE(log.record(RoundId{1}, round_of(0.0, 0.0))) << "a first round of zeros is the best";
}

TEST(RunLog, sums_up_the_best_round_by_site_with_mean_and_deviation) {
  RunLog log(two_sites(), nullptr);
  log.record(RoundId{0}, round_of(0.5, 0.7));
  log.record(RoundId{1}, round_of(0.1, 0.1));
  const json summary = summary_of(log);
  EXPECT_EQ(summary.at("method"), "harmofl");
  EXPECT_EQ(summary.at("rounds"), 3);
  EXPECT_EQ(summary.at("metric"), "dice");
  EXPECT_EQ(summary.at("seconds").at("train"), 2.0);
  const json& test = summary.at("test");
  EXPECT_DOUBLE_EQ(test.at("sites").at("north").at("dice"), 0.6);
  EXPECT_NEAR(test.at("mean").at("dice"), 0.7, 1e-12);
  EXPECT_NEAR(test.at("std").at("dice"), std::sqrt(0.02), 1e-12);
  EXPECT_NEAR(summary.at("val").at("mean").at("dice"), 0.6, 1e-12);
}

TEST(RunLog, gives_one_site_no_deviation) {
  RunLog log(two_sites(), nullptr);
  log.record(RoundId{0}, {score(0, Split::val, 0.5), score(0, Split::test, 0.4)});
  const json summary = summary_of(log);
  EXPECT_EQ(summary.at("test").at("mean").at("dice"), 0.4);
  EXPECT_TRUE(summary.at("test").at("std").at("dice").is_null());
}

TEST(RunLog, writes_a_line_a_site_and_split) {
  const test::TempFolder folder;
  const RunFolder run_folder(folder / "run", false);
  RunLog log(two_sites(), &run_folder);
  std::vector<Score> scores = round_of(0.5, 0.7);
  scores.push_back({ClientId{1}, Split::train, {}, 1.0});  // nothing measured
  log.record(RoundId{7}, scores);
  const auto lines = lines_of(folder / "run/metrics.jsonl");
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[2], json({{"round", 7},
                            {"site", "south"},
                            {"split", "val"},
                            {"dice", 0.7},
                            {"loss", 0.5},
                            {"seconds", 1.5}}));
}

TEST(RunLog, writes_null_for_what_is_not_finite) {
  const test::TempFolder folder;
  const RunFolder run_folder(folder / "run", false);
  RunLog log(two_sites(), &run_folder);
  log.record(RoundId{0}, {score(0, Split::val, 0.5, std::nan("")),
                          score(0, Split::test, 0.5, std::numeric_limits<double>::infinity())});
  const auto lines = lines_of(folder / "run/metrics.jsonl");
  ASSERT_EQ(lines.size(), 2U);
  for (const json& line : lines) EXPECT_TRUE(line.at("loss").is_null());
  EXPECT_TRUE(summary_of(log).at("val").at("mean").at("loss").is_null());
  EXPECT_EQ(summary_of(log).at("val").at("mean").at("dice"), 0.5);
}

TEST(RunLog, compares_rounds_by_the_measure_that_it_is_told) {
  RunLog log(two_sites(), nullptr, {.best_by = "loss", .measures = {"dice", "loss"}});
  EXPECT_TRUE(log.record(RoundId{0}, {score(0, Split::val, 0.5, 0.4)}));
  EXPECT_FALSE(log.record(RoundId{1}, {score(0, Split::val, 0.9, 0.6)})) << "a loss is to be low";
  EXPECT_TRUE(log.record(RoundId{2}, {score(0, Split::val, 0.1, 0.3)}));
  EXPECT_EQ(summary_of(log).at("metric"), "loss");
}

TEST(RunLog, takes_any_number_for_better_than_none) {
  RunLog log(two_sites(), nullptr);
  EXPECT_TRUE(log.record(RoundId{0}, {score(0, Split::val, std::nan(""))}));
  EXPECT_TRUE(log.record(RoundId{1}, {score(0, Split::val, 0.1)}));
  EXPECT_FALSE(log.record(RoundId{2}, {score(0, Split::val, std::nan(""))}));
}

TEST(RunLog, counts_measured_rounds_without_a_better_one) {
  RunLog log(two_sites(), nullptr);
  log.record(RoundId{0}, round_of(0.5, 0.5));
  EXPECT_EQ(log.state().without_gain, 0);
  log.record(RoundId{1}, round_of(0.4, 0.5));
  log.record(RoundId{2}, {score(0, Split::train, 0.9)});
  log.record(RoundId{3}, round_of(0.5, 0.5));
  EXPECT_EQ(log.state().without_gain, 2) << "rounds that are not measured do not count";
  log.record(RoundId{4}, round_of(0.5, 0.6));
  EXPECT_EQ(log.state().without_gain, 0);
}

TEST(RunLog, keeps_sites_that_are_held_out_apart) {
  Federation federation = two_sites();
  federation.held_out = {{"new", "", {0, 2, 2}, {}}};
  const test::TempFolder folder;
  const RunFolder run_folder(folder / "run", false);
  RunLog log(federation, &run_folder);
  std::vector<Score> scores = round_of(0.5, 0.7);
  scores.push_back(score(2, Split::val, 0.1));
  scores.push_back(score(2, Split::test, 0.2));
  EXPECT_TRUE(log.record(RoundId{0}, scores));
  EXPECT_EQ(log.headline(scores), "val dice 0.6000, test dice 0.7000");
  const json summary = summary_of(log);
  EXPECT_NEAR(summary.at("val").at("mean").at("dice"), 0.6, 1e-12);
  EXPECT_FALSE(summary.at("val").at("sites").contains("new"));
  EXPECT_EQ(summary.at("held_out").at("test").at("sites").at("new").at("dice"), 0.2);
  const auto lines = lines_of(folder / "run/metrics.jsonl");
  ASSERT_EQ(lines.size(), 6U);
  EXPECT_FALSE(lines[0].contains("held_out"));
  EXPECT_EQ(lines[4].at("held_out"), true);
  EXPECT_EQ(lines[4].at("site"), "new");
  // A new site that is better does not make a round better.
  scores = round_of(0.5, 0.7);
  scores.push_back(score(2, Split::val, 0.9));
  EXPECT_FALSE(log.record(RoundId{1}, scores));
}

/// The state that a file gives which holds this one.
RunLogState through_a_file(const RunLog& log) {
  const json written = json::parse(to_json(log.state()).dump());
  return parse_log_state({written, "c.h5", "Mend it."}, 3);
}

TEST(RunLog, goes_on_after_its_state_was_written_and_read) {
  RunLog log(two_sites(), nullptr);
  log.record(RoundId{0}, round_of(0.5, 1.0 / 3.0));
  RunLog other(two_sites(), nullptr);
  other.restore(through_a_file(log));
  EXPECT_EQ(summary_of(other), summary_of(log));
  EXPECT_FALSE(other.record(RoundId{1}, round_of(0.5, 1.0 / 3.0)));
  EXPECT_TRUE(other.record(RoundId{2}, round_of(0.5, 0.34)));
}

TEST(RunLog, goes_on_when_nothing_was_the_best_yet) {
  RunLog other(two_sites(), nullptr);
  other.restore(through_a_file(RunLog(two_sites(), nullptr)));
  EXPECT_TRUE(other.record(RoundId{0}, round_of(0.0, 0.0)));
}

TEST(RunLog, goes_on_from_a_best_round_with_a_loss_that_is_not_finite) {
  RunLog log(two_sites(), nullptr);
  log.record(RoundId{0}, {score(0, Split::val, 0.5, std::nan("")),
                          score(0, Split::test, 0.5, std::numeric_limits<double>::infinity())});
  RunLog other(two_sites(), nullptr);
  other.restore(through_a_file(log));
  EXPECT_EQ(summary_of(other), summary_of(log));
}

TEST(RunLog, goes_on_from_a_best_round_without_a_number) {
  RunLog log(two_sites(), nullptr);
  log.record(RoundId{0}, {score(0, Split::val, std::nan(""))});
  RunLog other(two_sites(), nullptr);
  other.restore(through_a_file(log));
  EXPECT_EQ(summary_of(other), summary_of(log));
}

TEST(RunLog, refuses_a_state_that_no_log_has) {
  const json good = to_json(RunLog(two_sites(), nullptr).state());
  const auto error = [&](const char* member, const json& value) {
    json bad = good;
    bad[member] = value;
    return test::user_error_of([&] { parse_log_state({bad, "c.h5", "Mend it."}, 3); });
  };
  EXPECT_NO_THROW(parse_log_state({good, "c.h5", "Mend it."}, 3));
  EXPECT_EQ(error("best_round", "x"),
            "c.h5: best_round: expected a whole number from -1 to 2, found \"x\". Mend it.");
  EXPECT_THAT(error("best_round", 3), HasSubstr("best_round"));
  EXPECT_THAT(error("best_value", json::array()), HasSubstr("best_value: expected"));
  EXPECT_THAT(error("best_val", 1), HasSubstr("best_val: expected an object"));
  EXPECT_THAT(error("best_val", {{"north", 1}}), HasSubstr("best_val.'north': expected"));
  EXPECT_THAT(error("best_test", {{"north", {{"dice", "x"}}}}),
              HasSubstr("best_test.'north'.'dice': expected a finite number"));
  EXPECT_THAT(error("lost_updates", {{"late", -1}}), HasSubstr("lost_updates.'late'"));
  EXPECT_THAT(error("simulated_seconds", "x"), HasSubstr("simulated_seconds"));
  for (const char* member : {"best_round", "best_value", "best_val", "best_test"}) {
    json bad = good;
    bad.erase(member);
    EXPECT_THAT(test::user_error_of([&] { parse_log_state({bad, "c.h5", "Mend it."}, 3); }),
                HasSubstr(concat("'", member, "' is missing")));
  }
}

TEST(RunLog, tells_a_person_the_means) {
  const RunLog log(two_sites(), nullptr);
  std::vector<Score> scores = round_of(0.5, 0.7);
  scores.push_back({ClientId{0}, Split::train, {{"loss", 0.25}}, 1.0});
  EXPECT_EQ(log.headline(scores), "train loss 0.2500, val dice 0.6000, test dice 0.7000");
  EXPECT_EQ(log.headline({scores.back()}), "train loss 0.2500");
}

TEST(RunLog, adds_up_the_joules_of_all_ranks_and_keeps_them_in_a_checkpoint) {
  RunLog log(two_sites(), nullptr);
  RoundRecord round;
  round.ranks = {{{}, 1, 1, 0, {{"cpu/train", 10.0}}},
                 {{}, 1, 1, 0, {{"cpu/train", 4.5}, {"cpu/save", 2.0}}}};
  log.record(round);
  log.record(round);
  log.add_joules({{"cpu/other", 1.0}});
  const std::map<std::string, double> expected{
      {"cpu/train", 29.0}, {"cpu/save", 4.0}, {"cpu/other", 1.0}};
  EXPECT_EQ(log.state().joules, expected);
  EXPECT_EQ(log.state().joules_rounds, 2);
  const json stored = to_json(log.state());
  const RunLogState read = parse_log_state(JsonValue(stored, "log", "Remedy."), 2);
  EXPECT_EQ(read.joules, expected);
  EXPECT_EQ(read.joules_rounds, 2);
  EXPECT_THAT(test::user_error_of([&] { parse_log_state(JsonValue(stored, "log", "Remedy."), 1); }),
              HasSubstr("joules_rounds"));
}

TEST(RunLog, keeps_nothing_of_joules_that_were_not_measured) {
  RunLog log(two_sites(), nullptr);
  RoundRecord round;
  round.ranks = {{{}, 1, 1}};
  log.record(round);
  EXPECT_FALSE(to_json(log.state()).contains("joules"));
  EXPECT_FALSE(to_json(log.state()).contains("joules_rounds"));
}

}  // namespace
}  // namespace harmofl
