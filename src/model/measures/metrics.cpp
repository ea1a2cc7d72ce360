// SPDX-License-Identifier: Apache-2.0
#include "model/measures/metrics.hpp"

#include "base/host_paths.hpp"
#include "harmofl/base/error.hpp"
#include "kernels/loss/class_counts.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <utility>

namespace harmofl {
namespace {

/// The class of the largest logit, the first of equals; NaN is larger than any number.
std::size_t predicted_class(std::span<const double> logits) {
  std::size_t best = 0;
  for (std::size_t k = 1; k < logits.size(); ++k) {
    const bool first_nan = std::isnan(logits[k]) && !std::isnan(logits[best]);
    if (logits[k] > logits[best] || first_nan) best = k;
  }
  return best;
}

/// Adds softmax(logits), in float64. The sum begins with the smallest term, whatever the order of
/// the classes, so that probabilities which are equal are so to the bit, and tie.
void add_probabilities(std::span<const double> logits, std::vector<double>& values) {
  const double largest = logits[predicted_class(logits)];
  std::vector<double> terms;
  for (const double logit : logits) terms.push_back(std::exp(logit - largest));
  std::vector<double> ascending = terms;
  std::ranges::sort(ascending);
  const double sum = std::accumulate(ascending.begin(), ascending.end(), 0.0);
  for (const double term : terms) values.push_back(term / sum);
}

/// What a GPU may hold of batches that wait to be collected.
constexpr std::size_t most_pending_bytes = std::size_t{64} << 20;

/// As `count_classes`, for batches that it does not know: on a GPU, of many classes. int64 [B,
/// classes, 3], where `predicted` is.
torch::Tensor counted_by_libtorch(const torch::Tensor& predicted, const torch::Tensor& targets,
                                  std::int64_t classes) {
  std::vector<torch::Tensor> counts;
  for (std::int64_t k = 0; k < classes; ++k) {
    const torch::Tensor p = predicted.eq(k).flatten(1);
    const torch::Tensor g = targets.eq(k).flatten(1);
    counts.push_back(at::stack({p.logical_and(g).sum(1), p.sum(1), g.sum(1)}, 1));
  }
  return at::stack(counts, 1);
}

std::span<const std::uint8_t> image_of(const torch::Tensor& masks, std::int64_t image) {
  const auto pixels = static_cast<std::size_t>(masks.size(1) * masks.size(2));
  return {masks.const_data_ptr<std::uint8_t>() + static_cast<std::size_t>(image) * pixels, pixels};
}

/// 1 where `mask` is of class k, else 0.
void select_class(std::span<const std::uint8_t> mask, std::int64_t k,
                  std::vector<std::uint8_t>& selected) {
  selected.resize(mask.size());
  for (std::size_t i = 0; i < mask.size(); ++i) selected[i] = mask[i] == k ? 1 : 0;
}

}  // namespace

MetricSums::MetricSums(MeasureOptions options) : options_(with_names(std::move(options))) {
  table_.width = row_width(options_);
}

void MetricSums::add(const torch::Tensor& logits, const torch::Tensor& targets, double loss) {
  torch::NoGradGuard no_grad;
  loss_ += loss * static_cast<double>(targets.size(0));
  if (options_.task == Task::classification) {
    add_labels(logits, targets);
  } else {
    add_masks(logits, targets);
  }
}

void MetricSums::add(const torch::Tensor& logits, const torch::Tensor& targets,
                     const torch::Tensor& loss) {
  torch::NoGradGuard no_grad;
  if (logits.is_cpu() && host_paths_in_use()) return add(logits, targets, loss.item<double>());
  // As in host memory: float64, batch after batch.
  if (!device_loss_.defined()) device_loss_ = at::zeros({}, loss.options().dtype(torch::kFloat64));
  device_loss_ += loss.to(torch::kFloat64) * static_cast<double>(targets.size(0));
  pending_.push_back(find(logits, targets));
  std::size_t bytes = 0;
  for (const Found& found : pending_) bytes += found.bytes();
  if (bytes > most_pending_bytes) collect();
}

std::size_t MetricSums::Found::bytes() const {
  std::size_t sum = 0;
  for (const torch::Tensor& tensor : {logits, counts, predicted, targets}) {
    if (tensor.defined()) sum += tensor.nbytes();
  }
  return sum;
}

MetricSums::Found MetricSums::find(const torch::Tensor& logits,
                                   const torch::Tensor& targets) const {
  if (options_.task == Task::classification) return {logits, {}, {}, targets};
  const torch::Tensor predicted = logits.argmax(1);
  const torch::Tensor counts = counted_by_libtorch(predicted, targets, options_.classes);
  if (!need_surfaces(options_.names)) return {{}, counts, {}, {}};
  return {{}, counts, predicted.to(torch::kUInt8), targets.to(torch::kUInt8)};
}

void MetricSums::take(const Found& found) {
  if (found.logits.defined()) return add_labels(found.logits, found.targets);
  const torch::Tensor distances = found.predicted.defined()
                                      ? border_distances(found.predicted, found.targets)
                                      : torch::Tensor();
  add_counted(found.counts, distances);
}

// The loss is brought first: what was launched before it is done then, and the rest is copying.
void MetricSums::collect() {
  if (pending_.empty()) return;
  torch::NoGradGuard no_grad;
  loss_ = device_loss_.item<double>();
  for (const Found& found : std::exchange(pending_, {})) take(found);
}

void MetricSums::add_labels(const torch::Tensor& logits, const torch::Tensor& targets) {
  const torch::Tensor scores = logits.cpu().to(torch::kFloat64).contiguous();
  const torch::Tensor truth = targets.cpu().contiguous();
  const auto classes = static_cast<std::size_t>(options_.classes);
  for (std::int64_t i = 0; i < truth.size(0); ++i) {
    const std::span row(scores.const_data_ptr<double>() + static_cast<std::size_t>(i) * classes,
                        classes);
    table_.values.push_back(static_cast<double>(truth.const_data_ptr<std::int64_t>()[i]));
    table_.values.push_back(static_cast<double>(predicted_class(row)));
    add_probabilities(row, table_.values);
  }
}

void MetricSums::add_masks(const torch::Tensor& logits, const torch::Tensor& targets) {
  const torch::Tensor distances =
      need_surfaces(options_.names) ? border_distances(logits.argmax(1), targets) : torch::Tensor();
  if (can_count_classes(logits, targets)) {
    return add_counts(count_classes(logits, targets), distances);
  }
  add_counted(counted_by_libtorch(logits.argmax(1), targets, options_.classes), distances);
}

void MetricSums::add_counted(const torch::Tensor& found, const torch::Tensor& distances) {
  const torch::Tensor counts = found.cpu().to(torch::kFloat64).contiguous();
  const std::int64_t classes = options_.classes;
  for (std::int64_t image = 0; image < counts.size(0); ++image) {
    for (std::int64_t k = 0; k < classes; ++k) {
      const double* const three = counts.const_data_ptr<double>() + 3 * (image * classes + k);
      table_.values.insert(table_.values.end(), three, three + 3);
      if (!distances.defined()) continue;
      const double* const two = distances.const_data_ptr<double>() + 2 * (image * classes + k);
      table_.values.insert(table_.values.end(), two, two + 2);
    }
  }
}

void MetricSums::add_counts(const std::vector<ClassCounts>& images,
                            const torch::Tensor& distances) {
  const auto classes = static_cast<std::size_t>(options_.classes);
  for (std::size_t image = 0; image < images.size(); ++image) {
    for (std::size_t k = 0; k < classes; ++k) {
      const ClassCounts& counts = images[image];
      for (const std::int64_t count : {counts.both[k], counts.predicted[k], counts.truth[k]}) {
        table_.values.push_back(static_cast<double>(count));
      }
      if (!distances.defined()) continue;
      const double* const two = distances.const_data_ptr<double>() + 2 * (image * classes + k);
      table_.values.insert(table_.values.end(), two, two + 2);
    }
  }
}

/// hd95 and assd of each image and class, float64 [B, classes, 2] in host memory; those of the
/// background are 0.
torch::Tensor MetricSums::border_distances(const torch::Tensor& classes_found,
                                           const torch::Tensor& targets) const {
  const torch::Tensor predicted = classes_found.to(torch::kUInt8).cpu().contiguous();
  const torch::Tensor truth = targets.to(torch::kUInt8).cpu().contiguous();
  const std::int64_t images = truth.size(0), classes = options_.classes;
  const torch::Tensor distances = torch::zeros({images, classes, 2}, torch::kFloat64);
  auto* const values = distances.data_ptr<double>();
  const std::int64_t before = table_.samples();
  at::parallel_for(0, images, /*grain_size=*/1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::uint8_t> first, second;
    for (std::int64_t image = begin; image < end; ++image) {
      for (std::int64_t k = 1; k < classes; ++k) {
        select_class(image_of(predicted, image), k, first);
        select_class(image_of(truth, image), k, second);
        const SurfaceDistances found = surface_distances(
            {first, second, truth.size(1), truth.size(2)}, options_.spacing_of(before + image));
        values[2 * (image * classes + k)] = found.hd95;
        values[2 * (image * classes + k) + 1] = found.assd;
      }
    }
  });
  return distances;
}

MetricValues MetricSums::values() const {
  HARMOFL_EXPECT(pending_.empty());
  MetricValues values = measured_values(table_, options_);
  if (table_.samples() > 0) values["loss"] = loss_ / static_cast<double>(table_.samples());
  return values;
}

double dice_with_background(const torch::Tensor& logits, const torch::Tensor& targets) {
  MetricSums sums(Task::segmentation, logits.size(1));
  sums.add(logits, targets, 0.0);
  return sums.values().at("dice_with_background");
}

}  // namespace harmofl
