// SPDX-License-Identifier: Apache-2.0
#include "model/measures/metrics.hpp"

#include "kernels/loss/class_counts.hpp"

#include <numeric>

namespace harmofl {
namespace {

constexpr double authors_eps = 1e-5;

double mean(std::vector<double>::const_iterator begin, std::vector<double>::const_iterator end) {
  return std::accumulate(begin, end, 0.0) / static_cast<double>(end - begin);
}

}  // namespace

std::string_view main_metric(Task task) { return task == Task::segmentation ? "dice" : "accuracy"; }

MetricSums::MetricSums(Task task, std::int64_t classes)
    : task_(task),
      classes_(classes),
      dice_(static_cast<std::size_t>(classes)),
      dice_authors_(static_cast<std::size_t>(classes)) {}

void MetricSums::add(const torch::Tensor& logits, const torch::Tensor& targets, double loss) {
  torch::NoGradGuard no_grad;
  const double batch = static_cast<double>(targets.size(0));
  samples_ += batch;
  loss_ += loss * batch;
  if (can_count_classes(logits, targets)) {
    add_counts(count_classes(logits, targets));
    return;
  }
  const torch::Tensor predicted = logits.argmax(1);
  if (task_ == Task::classification) {
    correct_ += predicted.eq(targets).sum().item<double>();
  } else {
    add_dice(predicted, targets);
  }
}

void MetricSums::add_counts(const std::vector<ClassCounts>& images) {
  const auto classes = static_cast<std::size_t>(classes_);
  for (const ClassCounts& image : images) {
    for (std::size_t k = 0; k < classes && task_ == Task::classification; ++k) {
      correct_ += static_cast<double>(image.both[k]);
    }
    for (std::size_t k = 0; k < classes && task_ == Task::segmentation; ++k) {
      const double both = 2.0 * static_cast<double>(image.both[k]);
      const double sizes = static_cast<double>(image.predicted[k] + image.truth[k]);
      dice_authors_[k] += both / (sizes + authors_eps);
      dice_[k] += sizes > 0.0 ? both / sizes : 1.0;
    }
  }
}

void MetricSums::add_dice(const torch::Tensor& predicted, const torch::Tensor& targets) {
  for (std::int64_t c = 0; c < classes_; ++c) {
    const torch::Tensor p = predicted.eq(c).flatten(1);
    const torch::Tensor g = targets.eq(c).flatten(1);
    const torch::Tensor both = 2.0 * p.logical_and(g).sum(1).to(torch::kFloat64);
    const torch::Tensor sizes = (p.sum(1) + g.sum(1)).to(torch::kFloat64);
    const auto index = static_cast<std::size_t>(c);
    dice_authors_[index] += (both / (sizes + authors_eps)).sum().item<double>();
    dice_[index] +=
        torch::where(sizes > 0, both / sizes, torch::ones_like(sizes)).sum().item<double>();
  }
}

MetricValues MetricSums::values() const {
  if (samples_ == 0.0) return {};
  MetricValues values{{"loss", loss_ / samples_}};
  if (task_ == Task::classification) {
    values["accuracy"] = correct_ / samples_;
  } else {
    values["dice"] = mean(dice_.begin() + 1, dice_.end()) / samples_;
    values["dice_with_background"] = mean(dice_authors_.begin(), dice_authors_.end()) / samples_;
  }
  return values;
}

double dice_with_background(const torch::Tensor& logits, const torch::Tensor& targets) {
  MetricSums sums(Task::segmentation, logits.size(1));
  sums.add(logits, targets, 0.0);
  return sums.values().at("dice_with_background");
}

}  // namespace harmofl
