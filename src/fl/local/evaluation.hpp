// SPDX-License-Identifier: Apache-2.0
/// How good a model is on a site.
#pragma once

#include "comm/communicator.hpp"
#include "data/batches/batches.hpp"
#include "harmofl/base/ids.hpp"
#include "harmofl/data/client_data.hpp"
#include "model/measures/losses.hpp"
#include "model/measures/metrics.hpp"
#include "model/model.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace harmofl {

/// Metrics of one client or site and split.
struct Score {
  ClientId client;  ///< Client; of val and test the position in Federation::measured().
  Split split = Split::val;
  MetricValues values;
  double seconds = 0.0;
  SampleTable samples = {};  ///< Of val and test; empty where nobody pools them.
};

/// Evaluates `model` on one split, in stored order and batches of `batch_size`. The batch size
/// matters to the result with `model.norm = batch-stateless`, whose statistics are the batch's.
/// An empty split gives empty values. The loss is measured without class weights.
MetricValues evaluate(Model& model, const Samples& samples, Task task, std::int64_t classes,
                      const LossOptions& loss, std::int64_t batch_size);

/// Gets a batch and the network's logits of it.
using BatchObserver = std::function<void(const Batch& batch, const torch::Tensor& logits)>;

/// The same for the measures in `options`; what was found of each sample is kept. Shows the first
/// batch to `observer`, where there is one.
MetricSums measure_split(Model& model, const Samples& samples, const MeasureOptions& options,
                         const LossOptions& loss, std::int64_t batch_size,
                         BatchObserver observer = {});

/// Brings the scores of all ranks to the root, their samples too, sorted by client, then split.
/// Collective.
std::vector<Score> gather_scores(const std::vector<Score>& scores, const Communicator& comm);

/// Mean and sample standard deviation over sites.
struct Spread {
  double mean = 0.0;
  std::optional<double> std;  ///< None of fewer than two values.
};
Spread spread(const std::vector<double>& values);

}  // namespace harmofl
