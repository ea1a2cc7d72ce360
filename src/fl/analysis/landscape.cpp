// SPDX-License-Identifier: Apache-2.0
#include "fl/analysis/landscape.hpp"

#include "fl/analysis/gradients.hpp"
#include "fl/analysis/model_guard.hpp"
#include "fl/local/evaluation.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/base/rng.hpp"

#include <string>
#include <utility>

namespace harmofl {
namespace {

/// Row-major standard normal numbers in the shape of `slot`.
torch::Tensor normal_numbers(const Slot& slot, RngStream& rng) {
  torch::Tensor values = torch::empty({slot.count}, torch::kFloat32);
  float* const data = values.data_ptr<float>();
  for (std::int64_t i = 0; i < slot.count; ++i) data[i] = static_cast<float>(rng.normal());
  return values.view(slot.shape);
}

/// Norm of every slice of the first dimension, float64 [first, 1, ...].
torch::Tensor filter_norms(const torch::Tensor& tensor) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(tensor.dim()), 1);
  shape.front() = tensor.size(0);
  return tensor.to(torch::kFloat64).flatten(1).square().sum(1).sqrt().view(shape);
}

}  // namespace

torch::Tensor random_direction(const ParameterVector& weights, std::uint64_t seed,
                               std::int64_t index) {
  RngStream rng(seed, RoundId{0}, ClientId{index}, RngPurpose::direction);
  torch::Tensor direction = torch::empty_like(weights.parameters());
  for (const Slot& slot : weights.slots()) {
    if (slot.role != Role::parameter) continue;
    ParameterVector::view(direction, slot).copy_(normal_numbers(slot, rng));
  }
  return direction;
}

torch::Tensor unit_direction(const torch::Tensor& direction) {
  const double norm = direction.to(torch::kFloat64).norm().item<double>();
  if (norm == 0.0) return torch::zeros_like(direction);
  return (direction.to(torch::kFloat64) / norm).to(torch::kFloat32);
}

OffsetOf points_on_rays(std::function<torch::Tensor(std::int64_t)> draw,
                        std::vector<double> radii) {
  HARMOFL_EXPECT(!radii.empty());
  return [draw = std::move(draw), radii = std::move(radii), direction = torch::Tensor(),
          drawn = std::int64_t{-1}](std::int64_t point) mutable {
    const auto ray = point / std::ssize(radii);
    if (ray != drawn) direction = unit_direction(draw(ray));
    drawn = ray;
    // r d / ||d||
    return direction * radii[static_cast<std::size_t>(point % std::ssize(radii))];
  };
}

torch::Tensor filter_normalized(const ParameterVector& weights, const torch::Tensor& direction) {
  torch::Tensor normalized = torch::zeros_like(direction);
  for (const Slot& slot : weights.slots()) {
    if (slot.role != Role::parameter || slot.shape.size() < 2) continue;
    const torch::Tensor d = ParameterVector::view(direction, slot);
    const torch::Tensor lengths = filter_norms(d);
    // d_ij <- d_ij ||w_ij|| / ||d_ij||; a filter of zeros stays one
    const torch::Tensor scale = torch::where(
        lengths > 0, filter_norms(ParameterVector::view(weights.state(), slot)) / lengths,
        torch::zeros_like(lengths));
    ParameterVector::view(normalized, slot).copy_(d.to(torch::kFloat64) * scale);
  }
  return normalized;
}

Landscape::Landscape(Model& model, const LandscapeOptions& options, std::vector<Samples> sites)
    : model_(model), options_(options), sites_(std::move(sites)) {
  HARMOFL_VALIDATE(!sites_.empty(), "there are no sites to measure the loss on. Give some shards.");
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    HARMOFL_VALIDATE(sites_[i].count() > 0, "site number ", i, " has no samples to measure the ",
                     "loss on. Choose a split that has some.");
  }
}

LandscapePoint Landscape::at(const torch::Tensor& offset) {
  HARMOFL_EXPECT(offset.numel() == model_.parameter_count());
  torch::NoGradGuard no_grad;
  const ModelGuard kept(model_);
  model_.state().parameters().add_(offset);
  const std::string metric(main_metric(options_.task));
  LandscapePoint point;
  for (const Samples& samples : sites_) {
    const MetricValues values = evaluate(model_, samples, options_.task, options_.classes,
                                         options_.loss, options_.batch_size);
    point.loss += values.at("loss");
    point.metric += values.at(metric);
  }
  const double count = static_cast<double>(sites_.size());
  return {point.loss / count, point.metric / count};
}

torch::Tensor Landscape::gradient() {
  torch::Tensor sum = torch::zeros_like(model_.state().gradients(), torch::kFloat64);
  for (const Samples& samples : sites_) {
    sum += split_gradient(model_, samples, options_.loss, options_.batch_size, Statistics::running);
  }
  return (sum / static_cast<double>(sites_.size())).to(torch::kFloat32);
}

std::vector<LandscapePoint> Landscape::at_points(std::int64_t count, const OffsetOf& offset,
                                                 const Communicator& comm) {
  // Every number is measured on one rank and 0 on the others: their sum is exact.
  std::vector<double> values(static_cast<std::size_t>(2 * count), 0.0);
  comm.agree([&] {
    for (std::int64_t i = comm.rank().value(); i < count; i += comm.size()) {
      const LandscapePoint point = at(offset(i));
      values[static_cast<std::size_t>(2 * i)] = point.loss;
      values[static_cast<std::size_t>(2 * i + 1)] = point.metric;
    }
  });
  comm.all_reduce_sum(values);
  std::vector<LandscapePoint> points;
  for (std::size_t i = 0; i < values.size(); i += 2) points.push_back({values[i], values[i + 1]});
  return points;
}

}  // namespace harmofl
