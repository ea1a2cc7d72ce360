// SPDX-License-Identifier: Apache-2.0
#include "fl/record/split_summary.hpp"

#include "fl/record/sample_rows.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <cmath>

namespace harmofl {
namespace {

using nlohmann::json;

const std::vector<std::string> health{"healthy", "ill"};

/// A score of samples (true class, probability of the second class).
Score labelled(std::int64_t client, const std::vector<std::pair<int, double>>& samples,
               double loss) {
  Score score{ClientId{client}, Split::val, {}, 0.0, {4, {}}};
  for (const auto& [truth, p] : samples) {
    const double predicted = p > 0.5 ? 1.0 : 0.0;
    for (const double value : {static_cast<double>(truth), predicted, 1.0 - p, p}) {
      score.samples.values.push_back(value);
    }
  }
  score.values = measured_values(score.samples, with_names({Task::classification, 2}));
  score.values["loss"] = loss;
  return score;
}

/// "a" with both classes, "b" with one class alone, "c" with both and many samples.
std::vector<Score> three_sites() {
  return {labelled(0, {{0, 0.2}, {1, 0.9}}, 0.2), labelled(1, {{1, 0.6}, {1, 0.4}}, 0.8),
          labelled(2, {{0, 0.7}, {0, 0.1}, {1, 0.3}, {1, 0.95}, {0, 0.05}, {0, 0.4}}, 0.5)};
}

SplitSummary summary_of_three() {
  return summarize(three_sites(), Split::val, with_names({Task::classification, 2}), health,
                   [](ClientId id) { return std::string(1, "abc"[id.position()]); });
}

TEST(SplitSummary, weighs_sites_alike_and_by_samples_and_names_the_worst) {
  const json table = summary_table(summary_of_three());
  EXPECT_EQ(table.at("samples"), (json{{"a", 2.0}, {"b", 2.0}, {"c", 6.0}}));
  const double a = 1.0, b = 0.5, c = 4.0 / 6.0;
  EXPECT_DOUBLE_EQ(table.at("mean").at("accuracy"), (a + b + c) / 3.0);
  EXPECT_DOUBLE_EQ(table.at("weighted").at("accuracy"), (2 * a + 2 * b + 6 * c) / 10.0);
  EXPECT_DOUBLE_EQ(table.at("pooled").at("accuracy"), 7.0 / 10.0);
  EXPECT_EQ(table.at("worst").at("accuracy"), (json{{"site", "b"}, {"value", 0.5}}));
  EXPECT_EQ(table.at("worst").at("loss").at("site"), "b") << "of a loss the largest";
  EXPECT_DOUBLE_EQ(table.at("pooled").at("loss"), (0.4 + 1.6 + 3.0) / 10.0);
}

TEST(SplitSummary, pools_scores_not_areas) {
  // Positives 0.9 0.6 0.4 0.3 0.95 against 0.2 0.7 0.1 0.05 0.4: 19 pairs in order, one tie of 25.
  const json table = summary_table(summary_of_three());
  EXPECT_DOUBLE_EQ(table.at("pooled").at("auc"), 20.5 / 25.0);
}

TEST(SplitSummary, leaves_a_site_without_one_of_the_classes_out_of_the_mean_area) {
  const json table = summary_table(summary_of_three());
  EXPECT_TRUE(table.at("sites").at("b").at("auc").is_null());
  // c: 0.3 and 0.95 against 0.7, 0.1, 0.05, 0.4: 2 + 4 of 8.
  EXPECT_DOUBLE_EQ(table.at("mean").at("auc"), (1.0 + 6.0 / 8.0) / 2.0);
  EXPECT_DOUBLE_EQ(table.at("weighted").at("auc"), (2.0 * 1.0 + 6.0 * 6.0 / 8.0) / 8.0);
  EXPECT_EQ(table.at("undefined"), (json{{"auc", 1}}));
  EXPECT_EQ(table.at("worst").at("auc").at("site"), "c");
}

TEST(SplitSummary, has_each_class_by_its_name) {
  const json classes = summary_table(summary_of_three()).at("classes");
  EXPECT_DOUBLE_EQ(classes.at("sites").at("c").at("recall[healthy]"), 3.0 / 4.0);
  EXPECT_DOUBLE_EQ(classes.at("pooled").at("recall[ill]"), 3.0 / 5.0);
  EXPECT_TRUE(classes.at("sites").at("b").at("recall[healthy]").is_null());
  EXPECT_EQ(classes.at("undefined").at("recall[healthy]"), 1);
}

TEST(SplitSummary, counts_a_loss_that_is_no_number) {
  auto scores = three_sites();
  scores[2].values["loss"] = std::nan("");
  const json table =
      summary_table(summarize(scores, Split::val, with_names({Task::classification, 2}), health,
                              [](ClientId id) { return std::string(1, "abc"[id.position()]); }));
  EXPECT_TRUE(table.at("mean").at("loss").is_null());
  EXPECT_EQ(table.at("worst").at("loss").at("site"), "c");
}

TEST(SplitSummary, comes_back_from_a_checkpoint) {
  const SplitSummary summary = summary_of_three();
  const json sites = json::parse(to_json(summary.sites).dump());
  const json details = json::parse(details_to_json(summary).dump());
  SplitSummary again;
  again.sites = parse_site_values({sites, "c.h5", "Mend it."});
  parse_details({details, "c.h5", "Mend it."}, again);
  EXPECT_EQ(summary_table(again), summary_table(summary));
}

TEST(SplitSummary, of_unknown_samples_has_means_over_sites_alone) {
  SplitSummary summary;
  summary.sites = {{"a", {{"dice", 0.5}}}, {"b", {{"dice", 0.7}}}};
  const json table = summary_table(summary);
  EXPECT_DOUBLE_EQ(table.at("mean").at("dice"), 0.6);
  EXPECT_FALSE(table.contains("pooled"));
  EXPECT_FALSE(table.contains("weighted"));
}

TEST(SampleRows, have_a_line_a_sample_under_the_names_of_their_columns) {
  Federation federation{{Task::classification, 2, 3, 8, 8}, health, {}};
  for (const char* site : {"a", "b, with a comma", "c"})
    federation.members.push_back({site, "", {}, {}});
  const std::vector<Score> scores{three_sites()[1]};
  const std::string text =
      sample_rows(scores, federation, with_names({Task::classification, 2}),
                  [](const Member&, Split) { return std::vector<std::string>{"x", "y"}; });
  EXPECT_EQ(text,
            "site,split,id,class,predicted,p[healthy],p[ill]\n"
            "\"b, with a comma\",val,x,ill,ill,0.4,0.6\n"
            "\"b, with a comma\",val,y,ill,healthy,0.6,0.4\n");
}

}  // namespace
}  // namespace harmofl
