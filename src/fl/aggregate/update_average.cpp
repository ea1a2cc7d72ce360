// SPDX-License-Identifier: Apache-2.0
#include "fl/aggregate/update_average.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/text.hpp"

#include <algorithm>
#include <utility>

namespace harmofl {

UpdateAverage::UpdateAverage(const Communicator& comm, Transport& transport, Reduction reduction,
                             std::vector<double> weights)
    : comm_(comm), weights_(std::move(weights)), aggregator_(transport, reduction) {}

void UpdateAverage::begin(const MessageLayout& layout, torch::Device device,
                          std::vector<ClientId> counted) {
  counted_ = std::move(counted);
  planned_weight_ = weight_of(counted_);
  own_left_out_.clear();
  left_out_.clear();
  aggregator_.begin(layout, device);
}

bool UpdateAverage::add(ClientId client, const torch::Tensor& message, const std::string& site) {
  // The p_i of those who are to count sum to 1.
  return aggregator_.add(message, weight(client), site);
}

const std::vector<ClientId>& UpdateAverage::agree_on_left_out() {
  left_out_.clear();
  for (const std::vector<ClientId>& of_rank : comm_.all_gather(own_left_out_)) {
    left_out_.insert(left_out_.end(), of_rank.begin(), of_rank.end());
  }
  std::ranges::sort(left_out_);
  for (const ClientId id : left_out_) std::erase(counted_, id);
  return left_out_;
}

torch::Tensor UpdateAverage::average() {
  HARMOFL_EXPECT(!counted_.empty());
  const torch::Tensor& sum = aggregator_.reduce();
  if (left_out_.empty()) return sum;
  return sum * (planned_weight_ / participation());  // the p_i of the others sum to 1 again
}

double UpdateAverage::weight_of(const std::vector<ClientId>& clients) const {
  if (clients.size() == weights_.size()) return 1.0;
  double sum = 0.0;
  for (const ClientId id : clients) sum += weights_[id.position()];
  return sum;
}

}  // namespace harmofl
