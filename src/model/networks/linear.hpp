// SPDX-License-Identifier: Apache-2.0
/// Logistic regression, for tables and as the plainest of all networks.
#pragma once

#include "harmofl/model/network.hpp"

#include <torch/nn/modules/linear.h>

namespace harmofl {

/// One linear layer over all values of an image, in the order [C, H, W]. It has neither a width nor
/// normalisation layers.
class Linear final : public Network {
 public:
  /// Throws UserError for masks, and for a width other than 1.
  Linear(const NetworkOptions& options, const ProblemShape& shape);

  /// Features: the values themselves, F = C H W.
  torch::Tensor forward(const torch::Tensor& images, torch::Tensor* features) override;
  std::int64_t feature_count() const override { return linear_->options.in_features(); }

 private:
  torch::nn::Linear linear_{nullptr};
};

}  // namespace harmofl
