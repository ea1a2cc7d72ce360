// SPDX-License-Identifier: Apache-2.0
#include "fl/local/evaluation.hpp"

#include "data/batches/batches.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace harmofl {

using nlohmann::json;

MetricValues evaluate(Model& model, const Samples& samples, Task task, std::int64_t classes,
                      LossKind kind, std::int64_t batch_size) {
  if (samples.count() == 0) return {};
  torch::NoGradGuard no_grad;
  model.set_training(false);
  MetricSums sums(task, classes);
  BatchBuffers buffers;
  BatchStream batches(samples, {.batch_size = batch_size, .format = model.memory_format()},
                      &buffers);
  while (const auto batch = batches.next()) {
    const torch::Tensor logits = model.forward(model.amplitude().normalize(batch->images));
    const torch::Tensor value = loss(kind, logits, batch->targets, model.kernels());
    sums.add(logits, batch->targets, value.item<double>());
  }
  return sums.values();
}

std::vector<Score> gather_scores(const std::vector<Score>& scores, const Communicator& comm) {
  json own = json::array();
  for (const Score& s : scores) own.push_back({s.client.value(), s.split, s.values, s.seconds});
  // MessagePack keeps NaN and every bit of a double; JSON text keeps neither.
  const std::vector<std::uint8_t> packed = json::to_msgpack(own);
  std::vector<Score> all;
  for (const std::string& bytes : comm.gather(std::string(packed.begin(), packed.end()))) {
    for (const json& s : json::from_msgpack(bytes)) {
      all.push_back({ClientId(s[0].get<std::int64_t>()), s[1], s[2].get<MetricValues>(), s[3]});
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
