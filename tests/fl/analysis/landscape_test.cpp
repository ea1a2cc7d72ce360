// SPDX-License-Identifier: Apache-2.0
#include "fl/analysis/landscape.hpp"

#include "fl/local/evaluation.hpp"
#include "fl/small_federation.hpp"
#include "model/tensors.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <numbers>

namespace harmofl {
namespace {

using test::same_bits;

const LandscapeOptions measured{Task::segmentation, 2, LossKind::cross_entropy, 4};

Model model_of(NormKind norm, bool channels_last = false) {
  ModelOptions options;
  options.network = {"unet", 2, norm};
  options.channels_last = channels_last;
  return {options, test::segmentation_of(32, 32), 1, torch::kCPU};
}

std::vector<Samples> training_sets(std::int64_t sites) {
  std::vector<Samples> sets;
  for (const ClientData& client : test::unequal_sites(sites).clients) {
    sets.push_back(client.split(Split::train));
  }
  return sets;
}

/// The mean over sites of one of the values of `evaluate`.
double mean_value(Model& model, const std::vector<Samples>& sites, const std::string& name) {
  double sum = 0.0;
  for (const Samples& samples : sites) {
    sum += evaluate(model, samples, measured.task, measured.classes, measured.loss,
                    measured.batch_size)
               .at(name);
  }
  return sum / static_cast<double>(sites.size());
}

double norm_of(const torch::Tensor& values) {
  return values.to(torch::kFloat64).norm().item<double>();
}

TEST(RandomDirection, is_a_function_of_seed_and_index) {
  const Model model = model_of(NormKind::group);
  const torch::Tensor direction = random_direction(model.state(), 5, 2);
  EXPECT_TRUE(same_bits(random_direction(model.state(), 5, 2), direction));
  EXPECT_GT(test::distance(random_direction(model.state(), 5, 3), direction), 0.1);
  EXPECT_GT(test::distance(random_direction(model.state(), 6, 2), direction), 0.1);
}

TEST(RandomDirection, is_standard_normal) {
  const Model model = model_of(NormKind::group);
  const torch::Tensor direction = random_direction(model.state(), 0, 0);
  const double count = static_cast<double>(direction.numel());
  ASSERT_GT(count, 10000);
  EXPECT_NEAR(direction.mean().item<double>(), 0.0, 4.0 / std::sqrt(count));
  EXPECT_NEAR(direction.var().item<double>(), 1.0, 4.0 * std::sqrt(2.0 / count));
}

TEST(RandomDirection, is_the_same_for_each_weight_in_any_memory_format) {
  const Model rows = model_of(NormKind::group);
  const Model last = model_of(NormKind::group, true);
  const torch::Tensor left = random_direction(rows.state(), 0, 0);
  const torch::Tensor right = random_direction(last.state(), 0, 0);
  for (std::size_t i = 0; i < rows.state().slots().size(); ++i) {
    EXPECT_TRUE(same_bits(ParameterVector::view(left, rows.state().slots()[i]),
                          ParameterVector::view(right, last.state().slots()[i])));
  }
}

TEST(UnitDirection, has_length_one_or_zero) {
  const torch::Tensor direction = torch::full({300}, 7.0f);
  EXPECT_NEAR(norm_of(unit_direction(direction)), 1.0, 1e-7);
  EXPECT_TRUE(same_bits(unit_direction(torch::zeros({3})), torch::zeros({3})));
}

TEST(PointsOnRays, draws_each_direction_once_and_scales_it_by_every_radius) {
  std::vector<std::int64_t> drawn;
  const torch::Tensor rays = torch::randn({2, 50});
  const OffsetOf offset = points_on_rays(
      [&](std::int64_t ray) {
        drawn.push_back(ray);
        return rays[ray];
      },
      {0.5, 1.0, 4.0});
  std::vector<torch::Tensor> points;
  for (std::int64_t point = 0; point < 6; ++point) points.push_back(offset(point));
  EXPECT_EQ(drawn, (std::vector<std::int64_t>{0, 1}));
  for (std::size_t ray : {0U, 1U}) {
    const torch::Tensor unit = points[3 * ray + 1];
    EXPECT_TRUE(same_bits(unit, unit_direction(rays[static_cast<std::int64_t>(ray)])));
    EXPECT_TRUE(same_bits(points[3 * ray], unit * 0.5));
    EXPECT_TRUE(same_bits(points[3 * ray + 2], unit * 4.0));
  }
}

TEST(PointsOnRays, may_be_asked_for_some_points_only) {
  const torch::Tensor rays = torch::randn({3, 50});
  const auto draw = [&](std::int64_t ray) { return rays[ray]; };
  const OffsetOf all = points_on_rays(draw, {0.5, 2.0});
  const OffsetOf some = points_on_rays(draw, {0.5, 2.0});
  std::vector<torch::Tensor> points;
  for (std::int64_t point = 0; point < 6; ++point) points.push_back(all(point));
  for (const std::int64_t point : {1, 4, 0}) {
    EXPECT_TRUE(same_bits(some(point), points[static_cast<std::size_t>(point)])) << point;
  }
}

TEST(FilterNormalized, gives_every_filter_the_norm_of_the_weights) {
  for (const bool channels_last : {false, true}) {
    const Model model = model_of(NormKind::batch, channels_last);
    const torch::Tensor direction =
        filter_normalized(model.state(), random_direction(model.state(), 0, 0));
    for (const Slot& slot : model.state().slots()) {
      if (slot.role != Role::parameter) continue;
      const torch::Tensor d = ParameterVector::view(direction, slot);
      const torch::Tensor w = ParameterVector::view(model.state().state(), slot);
      if (slot.shape.size() == 1) {
        EXPECT_EQ(norm_of(d), 0.0) << slot.name;
        continue;
      }
      EXPECT_GT(test::distance(d, w), 0.0) << slot.name;
      for (std::int64_t filter = 0; filter < slot.shape.front(); ++filter) {
        EXPECT_NEAR(norm_of(d[filter]), norm_of(w[filter]), 1e-6 * norm_of(w[filter])) << slot.name;
      }
    }
  }
}

TEST(FilterNormalized, leaves_filters_without_weights_where_they_are) {
  const Model model = model_of(NormKind::group);
  model.state().parameters().zero_();
  const torch::Tensor direction =
      filter_normalized(model.state(), random_direction(model.state(), 0, 0));
  EXPECT_EQ(norm_of(direction), 0.0);
}

TEST(FilterNormalized, leaves_a_filter_of_zeros_one) {
  const Model model = model_of(NormKind::group);
  const torch::Tensor direction =
      filter_normalized(model.state(), torch::zeros_like(model.state().parameters()));
  EXPECT_EQ(norm_of(direction), 0.0);
}

TEST(Landscape, at_no_distance_is_the_mean_over_sites) {
  Model model = model_of(NormKind::batch_stateless);
  const std::vector<Samples> sites = training_sets(3);
  const LandscapePoint here =
      Landscape(model, measured, sites).at(torch::zeros({model.parameter_count()}));
  EXPECT_EQ(here.loss, mean_value(model, sites, "loss"));
  EXPECT_EQ(here.metric, mean_value(model, sites, "dice"));
}

TEST(Landscape, measures_the_moved_weights) {
  Model model = model_of(NormKind::group);
  const std::vector<Samples> sites = training_sets(2);
  const torch::Tensor offset = random_direction(model.state(), 0, 0) * 0.05;
  const LandscapePoint there = Landscape(model, measured, sites).at(offset);
  EXPECT_NE(there.loss, mean_value(model, sites, "loss"));
  model.state().parameters().add_(offset);
  EXPECT_EQ(there.loss, mean_value(model, sites, "loss"));
  EXPECT_EQ(there.metric, mean_value(model, sites, "dice"));
}

TEST(Landscape, without_weights_guesses) {
  Model model = model_of(NormKind::group);
  const torch::Tensor to_zero = -model.state().parameters();
  const LandscapePoint there = Landscape(model, measured, training_sets(2)).at(to_zero);
  EXPECT_NEAR(there.loss, std::numbers::ln2, 1e-6);  // cross entropy of two equal logits
}

TEST(Landscape, leaves_every_bit_of_the_model) {
  Model model = model_of(NormKind::batch);
  const torch::Tensor before = model.state().state().clone();
  Landscape landscape(model, measured, training_sets(2));
  landscape.at(random_direction(model.state(), 0, 0));
  EXPECT_TRUE(same_bits(model.state().state(), before));
  landscape.gradient();
  EXPECT_TRUE(same_bits(model.state().state(), before));
  EXPECT_EQ(norm_of(model.state().gradients()), 0.0);
}

TEST(Landscape, leaves_the_model_when_measuring_fails) {
  Model model = model_of(NormKind::batch);
  const torch::Tensor before = model.state().state().clone();
  std::vector<Samples> sites = training_sets(1);
  sites.front().targets = torch::full_like(sites.front().targets, 9);  // no such class
  Landscape landscape(model, measured, sites);
  EXPECT_ANY_THROW(landscape.at(random_direction(model.state(), 0, 0)));
  EXPECT_TRUE(same_bits(model.state().state(), before));
}

TEST(Landscape, gradient_is_the_slope) {
  Model model = model_of(NormKind::group);
  Landscape landscape(model, measured, training_sets(2));
  const torch::Tensor gradient = landscape.gradient();
  const torch::Tensor up = unit_direction(gradient);
  const torch::Tensor other = unit_direction(random_direction(model.state(), 0, 0));
  const double step = 1e-2;
  const auto slope = [&](const torch::Tensor& direction) {
    return (landscape.at(direction * step).loss - landscape.at(direction * -step).loss) /
           (2.0 * step);
  };
  EXPECT_NEAR(slope(up), norm_of(gradient), 0.02 * norm_of(gradient));
  EXPECT_GT(slope(up), 5.0 * std::abs(slope(other)));
}

TEST(Landscape, measures_many_points_like_each) {
  Model model = model_of(NormKind::group);
  Landscape landscape(model, measured, training_sets(1));
  const torch::Tensor direction = random_direction(model.state(), 0, 0);
  const auto offset = [&](std::int64_t i) { return direction * (0.01 * static_cast<double>(i)); };
  const auto points = landscape.at_points(3, offset, Communicator::serial());
  ASSERT_EQ(points.size(), 3U);
  for (std::int64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(points[static_cast<std::size_t>(i)].loss, landscape.at(offset(i)).loss);
  }
}

TEST(Landscape, needs_samples_at_every_site) {
  Model model = model_of(NormKind::group);
  EXPECT_THROW(Landscape(model, measured, {}), UserError);
  EXPECT_THROW(Landscape(model, measured, {Samples{}}), UserError);
}

}  // namespace
}  // namespace harmofl
