/// FedAvg (McMahan et al., "Communication-efficient learning of deep networks from decentralized
/// data", AISTATS 2017).
#pragma once

#include "harmofl/fl/algorithm.hpp"

namespace harmofl {

class FedAvg final : public Algorithm {
 public:
  void server_step(Model& global, const torch::Tensor& average) override;
};

}  // namespace harmofl
