// SPDX-License-Identifier: Apache-2.0
#include "fl/local/evaluation.hpp"

#include "base/range.hpp"
#include "comm/named_numbers.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace harmofl {
namespace {

/// A score without its values.
struct Measured {
  ClientId client;
  Split split;
  double seconds;
  std::int64_t samples;  ///< How many, and numbers of each.
  std::int64_t width;
};

}  // namespace

MetricValues evaluate(Model& model, const Samples& samples, Task task, std::int64_t classes,
                      const LossOptions& loss_options, std::int64_t batch_size) {
  return measure_split(model, samples, {task, classes}, loss_options, batch_size).values();
}

MetricSums measure_split(Model& model, const Samples& samples, const MeasureOptions& options,
                         const LossOptions& loss_options, std::int64_t batch_size,
                         BatchObserver observer) {
  MetricSums sums(options);
  if (samples.count() == 0) return sums;
  const Range range("evaluate split");
  torch::NoGradGuard no_grad;
  model.set_training(false);
  const LossOptions measured = loss_options.unweighted();
  BatchBuffers buffers;
  BatchStream batches(samples, {.batch_size = batch_size, .format = model.memory_format()},
                      &buffers);
  while (const auto batch = batches.next()) {
    const torch::Tensor logits = model.forward(model.amplitude().normalize(batch->images));
    const torch::Tensor value = loss(measured, logits, batch->targets, model.kernels());
    sums.add(logits, batch->targets, value);
    if (observer) std::exchange(observer, {})(*batch, logits);
  }
  sums.collect();
  return sums;
}

std::vector<Score> gather_scores(const std::vector<Score>& scores, const Communicator& comm) {
  std::vector<Measured> own;
  std::vector<NamedNumbers> own_values;
  std::vector<double> own_samples;
  for (const Score& score : scores) {
    own.push_back(
        {score.client, score.split, score.seconds, score.samples.samples(), score.samples.width});
    own_values.push_back(score.values);
    own_samples.insert(own_samples.end(), score.samples.values.begin(), score.samples.values.end());
  }
  const auto measured = comm.gather(own);
  const auto values = gather_named(own_values, comm);
  const auto samples = comm.gather(own_samples);
  std::vector<Score> all;
  for (std::size_t rank = 0; rank < measured.size(); ++rank) {
    auto next = samples[rank].begin();
    for (std::size_t i = 0; i < measured[rank].size(); ++i) {
      const auto& [client, split, seconds, count, width] = measured[rank][i];
      const auto end = next + count * width;
      all.push_back({client, split, values[rank][i], seconds, {width, {next, end}}});
      next = end;
    }
  }
  std::ranges::sort(all, {}, [](const Score& s) { return std::pair(s.client, s.split); });
  return all;
}

Spread spread(const std::vector<double>& values) {
  if (values.empty()) return {};
  const double count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  if (values.size() < 2) return {mean, std::nullopt};
  double squares = 0.0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, std::sqrt(squares / (count - 1.0))};
}

}  // namespace harmofl
