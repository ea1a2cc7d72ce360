// SPDX-License-Identifier: Apache-2.0
// What two runs wrote of their rounds, read and compared.
#include "app/commands/diff/round_lines.hpp"
#include "app/commands/diff/score_difference.hpp"
#include "support/errors.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <fstream>

namespace harmofl {
namespace {

using nlohmann::json;
using test::TempFolder;
using test::user_error_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Lines : public testing::Test {
 protected:
  std::filesystem::path file(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }
  std::string error(const std::string& text) {
    return user_error_of([&] {
      RoundLines lines(file("x.jsonl", text));
      while (lines.next()) {
      }
    });
  }
  TempFolder folder_;
};

TEST_F(Lines, come_by_rounds) {
  RoundLines lines(file("m.jsonl", R"({"round":0,"a":1}
{"round":0,"a":2}
{"round":3,"a":3}
)"));
  auto round = lines.next();
  ASSERT_TRUE(round);
  EXPECT_EQ(round->round, 0);
  ASSERT_EQ(round->lines.size(), 2U);
  EXPECT_EQ(round->lines[1]["a"], 2);
  round = lines.next();
  ASSERT_TRUE(round);
  EXPECT_EQ(round->round, 3);
  EXPECT_FALSE(lines.next());
  EXPECT_EQ(lines.left_out(), "");
}

TEST_F(Lines, that_are_not_whole_are_left_out_and_said) {
  for (const std::string& end : {std::string("{\"round\":1"), std::string("{\"round\":1}"),
                                 std::string(2, '\0') + "\n{\"rou"}) {
    RoundLines lines(file("m.jsonl", "{\"round\":0}\n" + end));
    EXPECT_TRUE(lines.next());
    EXPECT_FALSE(lines.next());
    EXPECT_THAT(lines.left_out(), HasSubstr("m.jsonl:2 is not"));
  }
}

TEST_F(Lines, that_no_run_wrote_are_refused_by_file_and_line) {
  EXPECT_THAT(error("{\"round\":0}\n{\"rou\n{\"round\":1}\n"), HasSubstr("x.jsonl:2 is not JSON"));
  EXPECT_THAT(error("{\"round\":\"x\"}\n"), HasSubstr("x.jsonl:1: round: expected a whole"));
  EXPECT_THAT(error("{\"round\":-1}\n"), HasSubstr("x.jsonl:1: round"));
  EXPECT_THAT(error("7\n"), HasSubstr("x.jsonl:1: expected an object"));
  EXPECT_THAT(error("{\"round\":1}\n{\"round\":0}\n"),
              HasSubstr("x.jsonl:2: round 0 comes after round 1"));
  EXPECT_THAT(user_error_of([&] { RoundLines(folder_ / "none.jsonl"); }),
              HasSubstr("none.jsonl: cannot be read (there is no such file)"));
  EXPECT_THAT(user_error_of([&] { RoundLines(folder_.path()); }), HasSubstr("it is a folder"));
}

TEST_F(Lines, are_compared_in_the_rounds_that_both_have) {
  const auto rounds_of = [](const std::vector<int>& rounds) {
    std::string text;
    for (const int round : rounds) text += concat("{\"round\":", round, "}\n");
    return text;
  };
  RoundLines a(file("a", rounds_of({0, 2, 3, 5, 9}))), b(file("b", rounds_of({2, 4, 5, 6})));
  std::vector<std::int64_t> seen;
  EXPECT_FALSE(first_common_round(a, b, [&](const LinesOfRound& x, const LinesOfRound& y) {
    EXPECT_EQ(x.round, y.round);
    seen.push_back(x.round);
    return false;
  }));
  EXPECT_THAT(seen, ElementsAre(2, 5));
  RoundLines again(folder_ / "a"), other(folder_ / "b");
  const auto at_5 = [](const LinesOfRound& x, const LinesOfRound&) { return x.round == 5; };
  EXPECT_EQ(first_common_round(again, other, at_5), 5);
}

LinesOfRound lines_of(const std::vector<json>& lines) { return {1, lines, "m.jsonl", 1}; }

json score(const std::string& site, const std::string& split, double loss) {
  return {{"round", 1}, {"site", site}, {"split", split}, {"loss", loss}, {"seconds", loss}};
}

TEST(ScoreDifferences, are_the_numbers_but_no_seconds_training_first) {
  json val = score("a", "val", 0.5), other_val = score("a", "val", 0.25);
  val["seconds"] = 9.0;
  val["dice"] = nullptr;
  other_val["dice"] = 0.5;
  EXPECT_THAT(score_differences(lines_of({val, score("b", "train", 1.0)}),
                                lines_of({other_val, score("b", "train", 2.0)})),
              ElementsAre(ScoreDifference{"train loss of b", "1.0", "2.0"},
                          ScoreDifference{"val dice of a", "null", "0.5"},
                          ScoreDifference{"val loss of a", "0.5", "0.25"}));
  json slower = score("a", "train", 1.0);
  slower["seconds"] = 7.0;
  EXPECT_THAT(score_differences(lines_of({score("a", "train", 1.0)}), lines_of({slower})),
              IsEmpty());
}

TEST(ScoreDifferences, see_one_bit) {
  const double next = std::nextafter(0.1, 1.0);
  EXPECT_EQ(
      score_differences(lines_of({score("a", "train", 0.1)}), lines_of({score("a", "train", next)}))
          .size(),
      1U);
}

TEST(ScoreDifferences, count_what_both_measured_and_who_trained) {
  json more = score("a", "val", 0.5);
  more["auc"] = 0.5;
  EXPECT_THAT(score_differences(lines_of({more, score("b", "test", 1.0)}),
                                lines_of({score("a", "val", 0.5)})),
              IsEmpty());
  EXPECT_THAT(
      score_differences(lines_of({score("a", "train", 1.0)}), lines_of({score("b", "train", 1.0)})),
      ElementsAre(ScoreDifference{"training of a", "yes", "no"},
                  ScoreDifference{"training of b", "no", "yes"}));
}

TEST(ScoreDifferences, refuse_what_no_run_writes) {
  json bad = score("a", "val", 1.0);
  bad["loss"] = "low";
  EXPECT_THAT(user_error_of([&] { score_differences(lines_of({bad}), lines_of({})); }),
              HasSubstr("m.jsonl:1: 'loss': expected a finite number"));
  bad = score("a", "vla", 1.0);
  EXPECT_THAT(user_error_of([&] { score_differences(lines_of({bad}), lines_of({})); }),
              HasSubstr("expected the split train, val or test"));
}

TEST(RoundDifferences, are_of_who_took_part_not_of_how_long_it_took) {
  const json a = {{"round", 1},      {"seconds", 1.0},        {"clients", 3},
                  {"counted", 2},    {"lost", {{"late", 1}}}, {"simulated_seconds", 4.5},
                  {"sent_bytes", 8}, {"moved_clients", 0},    {"peak_memory_bytes", {{"max", 1}}}};
  json b = a;
  b["seconds"] = 2.0;
  b["sent_bytes"] = 16;
  b["moved_clients"] = 1;
  b["peak_memory_bytes"]["max"] = 2;
  EXPECT_THAT(round_differences(lines_of({a}), lines_of({b})), IsEmpty());
  b["counted"] = 3;
  b["lost"] = json::object();
  b["lr"] = 0.1;  // only one has it
  EXPECT_THAT(round_differences(lines_of({a}), lines_of({b})),
              ElementsAre(ScoreDifference{"number of updates that counted", "2", "3"},
                          ScoreDifference{"lost updates", "{\"late\":1}", "{}"}));
}

}  // namespace
}  // namespace harmofl
