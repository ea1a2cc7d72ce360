// SPDX-License-Identifier: Apache-2.0
// Measures against scikit-learn and MedPy (tests/fixtures/measures/make.py wrote what they say),
// and against small cases worked out by hand.
#include "model/measures/metrics.hpp"
#include "model/measures/ranking.hpp"
#include "support/errors.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <utility>

namespace harmofl {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr double measure_tolerance = 1e-12;

const json& measure_cases() {
  static const json cases = [] {
    const char* const given = std::getenv("HARMOFL_MEASURE_CASES");
    const std::string path = given != nullptr ? given : HARMOFL_FIXTURES "/measures/cases.json";
    std::ifstream file(path);
    EXPECT_TRUE(file) << path;
    return json::parse(file);
  }();
  return cases;
}

std::vector<std::string> numbered_classes(std::int64_t classes) {
  std::vector<std::string> names;
  for (std::int64_t k = 0; k < classes; ++k) names.push_back(std::to_string(k));
  return names;
}

/// NaN for null.
double number_or_nan(const json& value) {
  return value.is_null() ? std::nan("") : value.get<double>();
}

void expect_same_number(double found, double expected, const std::string& what) {
  if (std::isnan(expected)) {
    EXPECT_TRUE(std::isnan(found)) << what << ": " << found;
  } else {
    EXPECT_NEAR(found, expected, measure_tolerance * std::max(1.0, std::abs(expected))) << what;
  }
}

MetricSums sums_of_labels(const json& one) {
  const auto classes = one.at("classes").get<std::int64_t>();
  const auto truth = one.at("truth").get<std::vector<std::int64_t>>();
  MetricSums sums(Task::classification, classes);
  std::vector<float> logits;
  for (const json& row : one.at("logits")) {
    for (const json& value : row) logits.push_back(value.get<float>());
  }
  const auto samples = static_cast<std::int64_t>(truth.size());
  const torch::Tensor all = torch::tensor(logits).view({samples, classes});
  for (std::int64_t i = 0; i < samples; i += 7) {  // in batches
    const std::int64_t size = std::min<std::int64_t>(7, samples - i);
    sums.add(all.narrow(0, i, size), torch::tensor(truth).narrow(0, i, size), 0.5);
  }
  return sums;
}

TEST(MeasuresOfLabels, are_those_of_scikit_learn) {
  std::size_t undefined = 0;
  for (const json& one : measure_cases().at("labels")) {
    const auto classes = one.at("classes").get<std::int64_t>();
    const MetricSums sums = sums_of_labels(one);
    const MetricValues values = sums.values();
    for (const char* name : {"accuracy", "balanced_accuracy", "f1", "auc"}) {
      expect_same_number(values.at(name), number_or_nan(one.at(name)), concat(name, " of ", one));
    }
    undefined += one.at("auc").is_null() ? 1 : 0;
    const MetricValues by_class = class_values(
        sums.samples(), with_names({Task::classification, classes}), numbered_classes(classes));
    EXPECT_EQ(by_class.size(), static_cast<std::size_t>(3 * classes));
    for (const auto& [name, value] : by_class) {
      const auto bracket = name.find('[');
      const auto k = static_cast<std::size_t>(std::stoi(name.substr(bracket + 1)));
      const json& expected = one.at("class_" + name.substr(0, bracket)).at(k);
      expect_same_number(value, number_or_nan(expected), concat(name, " of ", one));
    }
  }
  EXPECT_GT(undefined, 0U);
  EXPECT_GE(measure_cases().at("labels").size(), 36U);
}

/// The class map of a case, [1, H, W].
torch::Tensor class_map(const json& one, const char* which) {
  const auto text = one.at(which).get<std::string>();
  std::vector<std::int64_t> classes;
  for (const char digit : text) classes.push_back(digit - '0');
  const auto shape = one.at("shape").get<std::vector<std::int64_t>>();
  return torch::tensor(classes).view({1, shape[0], shape[1]});
}

MeasureOptions options_of_masks(const json& one) {
  const auto spacing = one.at("spacing").get<std::vector<double>>();
  return {Task::segmentation,
          one.at("classes").get<std::int64_t>(),
          {"assd", "dice", "hd95", "iou", "loss"},
          {{spacing[0], spacing[1]}}};
}

MetricSums sums_of_masks(const json& one) {
  const MeasureOptions options = options_of_masks(one);
  MetricSums sums(options);
  const torch::Tensor logits = torch::one_hot(class_map(one, "predicted"), options.classes)
                                   .movedim(-1, 1)
                                   .to(torch::kFloat32)
                                   .contiguous();
  sums.add(logits, class_map(one, "truth"), 0.5);
  return sums;
}

/// What stands for a measure that the libraries leave open.
double value_by_rule(const std::string& name, const json& row, const json& one) {
  const bool both_empty = row.at("dice").is_null();
  if (name == "dice" || name == "iou") return 1.0;
  if (both_empty) return 0.0;
  const auto shape = one.at("shape").get<std::vector<double>>();
  const auto spacing = one.at("spacing").get<std::vector<double>>();
  return std::sqrt(std::pow((shape[0] - 1) * spacing[0], 2) +
                   std::pow((shape[1] - 1) * spacing[1], 2));
}

TEST(MeasuresOfMasks, are_those_of_medpy_in_any_spacing) {
  std::size_t defined = 0;
  for (const json& one : measure_cases().at("masks")) {
    const MeasureOptions options = options_of_masks(one);
    const MetricSums sums = sums_of_masks(one);
    const MetricValues by_class =
        class_values(sums.samples(), options, numbered_classes(options.classes));
    for (const std::string name : {"dice", "iou", "hd95", "assd"}) {
      double sum = 0.0;
      for (std::int64_t k = 1; k < options.classes; ++k) {
        const json& row = one.at("by_class").at(static_cast<std::size_t>(k - 1));
        const json& given = row.at(name);
        const double expected =
            given.is_null() ? value_by_rule(name, row, one) : given.get<double>();
        expect_same_number(by_class.at(concat(name, "[", k, "]")), expected,
                           concat(name, " of ", one));
        sum += expected;
        defined += given.is_null() ? 0 : 1;
      }
      expect_same_number(sums.values().at(name), sum / static_cast<double>(options.classes - 1),
                         concat("mean ", name, " of ", one));
    }
  }
  EXPECT_GT(defined, 80U);
}

TEST(RocAuc, is_the_share_of_pairs_in_order_ties_counted_half) {
  const std::vector<double> scores{0.1, 0.4, 0.4, 0.8};
  EXPECT_EQ(roc_auc(scores, {false, false, true, true}), 3.5 / 4.0);
  EXPECT_EQ(roc_auc(scores, {true, true, false, false}), 0.5 / 4.0);
  EXPECT_EQ(roc_auc(std::vector<double>(4, 0.5), {true, false, true, false}), 0.5);
}

TEST(RocAuc, is_undefined_without_both_sides_and_with_scores_that_are_no_numbers) {
  const std::vector<double> scores{0.1, std::nan("")};
  EXPECT_TRUE(std::isnan(roc_auc(scores, {true, false})));
  EXPECT_TRUE(std::isnan(roc_auc(std::vector<double>{0.1, 0.2}, {true, true})));
  EXPECT_TRUE(std::isnan(roc_auc(std::vector<double>{0.1, 0.2}, {false, false})));
  EXPECT_TRUE(std::isnan(roc_auc({}, {})));
}

TEST(MeasuresOfLabels, show_a_model_that_always_says_the_larger_class) {
  MetricSums sums(Task::classification, 2);
  std::vector<std::int64_t> truth(100, 0);
  std::fill_n(truth.begin(), 22, 1);
  const torch::Tensor logits = torch::tensor({{1.0, 0.0}}).repeat({100, 1});
  sums.add(logits, torch::tensor(truth), 0.1);
  const MetricValues values = sums.values();
  EXPECT_EQ(values.at("accuracy"), 0.78);
  EXPECT_EQ(values.at("balanced_accuracy"), 0.5);
  EXPECT_EQ(values.at("auc"), 0.5);
  EXPECT_NEAR(values.at("f1"), (2.0 * 78.0 / 178.0 + 0.0) / 2.0, measure_tolerance);
}

TEST(MeasuresOfLabels, keep_probabilities_equal_that_differ_only_in_the_order_of_other_classes) {
  MetricSums sums(Task::classification, 4);
  const torch::Tensor logits = torch::tensor({{0.3, 1.7, -0.9, 0.1}, {0.3, -0.9, 0.1, 1.7}});
  sums.add(logits, torch::tensor({0, 1}), 0.0);
  EXPECT_EQ(sums.samples().row(0)[2], sums.samples().row(1)[2]);
}

SurfaceDistances distances_of(const std::vector<std::uint8_t>& first,
                              const std::vector<std::uint8_t>& second, std::int64_t height,
                              const Spacing& spacing = pixels_apart) {
  return surface_distances({first, second, height, std::ssize(first) / height}, spacing);
}

TEST(SurfaceDistances, are_in_the_spacing_of_rows_and_columns) {
  const std::vector<std::uint8_t> left{1, 0, 0, 0}, right{0, 0, 0, 1};
  EXPECT_EQ(distances_of(left, right, 1, {5.0, 2.0}).hd95, 6.0) << "three columns";
  EXPECT_EQ(distances_of(left, right, 4, {5.0, 2.0}).hd95, 15.0) << "three rows";
  EXPECT_EQ(distances_of(left, right, 2, {3.0, 4.0}).assd, 5.0) << "a row and a column";
}

TEST(SurfaceDistances, of_empty_masks_are_zero_or_the_diagonal) {
  const std::vector<std::uint8_t> none(12, 0), some{0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_EQ(distances_of(none, none, 3).hd95, 0.0);
  EXPECT_EQ(distances_of(none, none, 3).assd, 0.0);
  for (const auto& [first, second] : {std::pair(none, some), std::pair(some, none)}) {
    EXPECT_DOUBLE_EQ(distances_of(first, second, 3, {2.0, 1.0}).hd95, 5.0);
    EXPECT_DOUBLE_EQ(distances_of(first, second, 3, {2.0, 1.0}).assd, 5.0);
  }
}

TEST(SurfaceDistances, are_bounded_by_the_diagonal_that_stands_for_an_empty_mask) {
  std::vector<std::uint8_t> first(20, 0), second(20, 0);
  first.front() = second.back() = 1;
  EXPECT_DOUBLE_EQ(distances_of(first, second, 4, {1.5, 0.5}).hd95,
                   image_diagonal(4, 5, {1.5, 0.5}));
}

TEST(SurfaceDistances, count_both_directions) {
  // First: one pixel. Second: that pixel and one 19 away, so 0, and 0 and 19.
  std::vector<std::uint8_t> first(20, 0), second(20, 0);
  first[0] = second[0] = second[19] = 1;
  const SurfaceDistances found = distances_of(first, second, 1);
  EXPECT_DOUBLE_EQ(found.assd, 19.0 / 3.0);
  EXPECT_DOUBLE_EQ(found.hd95, 19.0 * 0.9) << "rank 1.9 of {0, 0, 19}";
}

TEST(MeasuresOfMasks, say_how_often_one_of_both_masks_was_empty) {
  MetricSums sums(MeasureOptions{Task::segmentation, 2, {"hd95", "loss"}});
  const torch::Tensor truth = torch::tensor({0, 1, 0, 0, 0, 0, 0, 0}).view({2, 2, 2});
  const torch::Tensor nothing = torch::tensor({1.0, 0.0}).view({1, 2, 1, 1}).expand({2, 2, 2, 2});
  sums.add(nothing.contiguous(), truth, 0.0);
  EXPECT_EQ(sums.values().at("one_empty"), 0.5);
  EXPECT_DOUBLE_EQ(sums.values().at("hd95"), std::sqrt(2.0) / 2.0);
  EXPECT_FALSE(sums.values().contains("dice")) << "not asked for";
}

TEST(MeasuresOfMasks, take_the_spacing_of_each_sample) {
  MeasureOptions options{Task::segmentation, 2, {"assd", "loss"}, {{1.0, 1.0}, {1.0, 3.0}}};
  const torch::Tensor predicted = torch::tensor({1, 0, 1, 0}).view({2, 1, 2});
  const torch::Tensor logits =
      torch::one_hot(predicted, 2).movedim(-1, 1).to(torch::kFloat32).contiguous();
  MetricSums sums(options);
  for (std::int64_t i = 0; i < 2; ++i) {
    sums.add(logits.narrow(0, i, 1), torch::tensor({0, 1}).view({1, 1, 2}), 0.0);
  }
  EXPECT_EQ(sums.values().at("assd"), 2.0);
}

TEST(SampleTables, pool_the_samples_of_several_sites) {
  const json& one = measure_cases().at("labels").at(1);
  const json& other = measure_cases().at("labels").at(2);
  const MeasureOptions options = with_names({Task::classification, 2});
  SampleTable pooled;
  pooled.append(sums_of_labels(one).samples());
  pooled.append(sums_of_labels(other).samples());
  const auto a = static_cast<double>(one.at("truth").size());
  const auto b = static_cast<double>(other.at("truth").size());
  EXPECT_EQ(pooled.samples(), static_cast<std::int64_t>(a + b));
  EXPECT_NEAR(
      measured_values(pooled, options).at("accuracy"),
      (one.at("accuracy").get<double>() * a + other.at("accuracy").get<double>() * b) / (a + b),
      measure_tolerance);
}

TEST(SampleTables, have_a_column_a_probability_of_labels) {
  const MeasureOptions options = with_names({Task::classification, 2});
  MetricSums sums(options);
  sums.add(torch::tensor({{0.0, 0.0}}), torch::tensor({1}), 0.0);
  EXPECT_THAT(sample_columns(options, {"healthy", "ill"}),
              ElementsAre("class", "predicted", "p[healthy]", "p[ill]"));
  EXPECT_THAT(sample_fields(sums.samples(), 0, options, {"healthy", "ill"}),
              ElementsAre("ill", "healthy", "0.5", "0.5"));
}

TEST(SampleTables, have_a_column_a_measure_of_masks_and_a_class_where_there_are_several) {
  MeasureOptions options{Task::segmentation, 3, {"dice", "loss"}};
  MetricSums sums(options);
  const torch::Tensor predicted = torch::tensor({1, 1, 2, 0}).view({1, 2, 2});
  sums.add(torch::one_hot(predicted, 3).movedim(-1, 1).to(torch::kFloat32).contiguous(),
           torch::tensor({1, 1, 0, 0}).view({1, 2, 2}), 0.0);
  EXPECT_THAT(sample_columns(options, {"none", "a", "b"}),
              ElementsAre("dice", "dice[a]", "dice[b]"));
  EXPECT_THAT(sample_fields(sums.samples(), 0, options, {"none", "a", "b"}),
              ElementsAre("0.5", "1", "0"));
  options.classes = 2;
  EXPECT_THAT(sample_columns(options, {"none", "a"}), ElementsAre("dice"));
}

std::string usage_error_of(const std::function<void()>& work) {
  return test::error_of<UsageError>(work);
}

TEST(Measures, are_asked_for_by_name) {
  EXPECT_TRUE(parse_measures("run.measures", "auto").empty());
  EXPECT_EQ(parse_measures("run.measures", "all").size(), measures().size());
  EXPECT_THAT(parse_measures("run.measures", "dice, hd95"), ElementsAre("dice", "hd95"));
  EXPECT_THAT(parse_measures("run.measures", " dice , hd95  "), ElementsAre("dice", "hd95"));
  EXPECT_EQ(usage_error_of([] { parse_measures("run.measures", "hd96"); }),
            "run.measures = hd96: 'hd96' is unknown. Did you mean 'hd95'? Known: loss, accuracy, "
            "balanced_accuracy, auc, f1, dice, dice_with_background, iou, hd95, assd.");
  EXPECT_THAT(usage_error_of([] { parse_measures("run.measures", ""); }), HasSubstr("no measure"));
  EXPECT_THAT(usage_error_of([] { parse_measures("run.measures", "dice,,iou"); }), HasSubstr("''"));
}

TEST(Measures, of_a_task_are_the_usual_ones_where_nothing_is_said) {
  EXPECT_THAT(measures_for(Task::segmentation, {}, "", "k"),
              ElementsAre("dice", "dice_with_background", "iou", "loss"));
  EXPECT_THAT(measures_for(Task::classification, {}, "", "k"),
              ElementsAre("accuracy", "auc", "balanced_accuracy", "f1", "loss"));
  EXPECT_THAT(measures_for(Task::segmentation, {"iou"}, "hd95", "k"),
              ElementsAre("hd95", "iou", "loss"));
  EXPECT_THAT(measures_for(Task::segmentation, parse_measures("k", "all"), "", "k"),
              ElementsAre("assd", "dice", "dice_with_background", "hd95", "iou", "loss"));
}

TEST(Measures, of_another_task_are_refused) {
  EXPECT_EQ(usage_error_of([] { measures_for(Task::segmentation, {"auc"}, "", "run.measures"); }),
            "run.measures: auc is not a measure of masks, which the shards hold. Those are: loss, "
            "dice, dice_with_background, iou, hd95, assd.");
  EXPECT_THAT(usage_error_of([] { measures_for(Task::classification, {}, "dice", "run.best_by"); }),
              HasSubstr("run.best_by: dice is not a measure of labels"));
}

TEST(Measures, know_which_direction_is_better) {
  for (const char* name : {"loss", "hd95", "assd", "one_empty", "hd95[tumour]"}) {
    EXPECT_TRUE(lower_is_better(name)) << name;
  }
  for (const char* name : {"dice", "iou", "auc", "f1[ill]", "recall[ill]", "accuracy"}) {
    EXPECT_FALSE(lower_is_better(name)) << name;
  }
}

}  // namespace
}  // namespace harmofl
