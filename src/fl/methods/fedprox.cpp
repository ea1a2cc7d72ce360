// SPDX-License-Identifier: Apache-2.0
// FedProx (Li et al., "Federated optimization in heterogeneous networks", MLSys 2020).
//   local objective: f_i(w) + mu/2 ||w - w_t||^2
//   server:          w_{t+1} = sum p_i w_i
#include "harmofl/fl/algorithm.hpp"

namespace harmofl {
namespace {

class FedProx final : public Algorithm {
 public:
  explicit FedProx(const AlgorithmOptions& options) : mu_(options.number("mu")) {}

  void add_gradient(ClientWork& work) override {
    if (mu_ == 0.0) return;
    // g <- g + mu (w - w_t)
    work.w.gradients().add_(work.w.parameters() - work.start_parameters(), mu_);
  }

 private:
  double mu_;
};

}  // namespace

AlgorithmEntry fedprox() {
  return {"fedprox",
          "Li et al., MLSys 2020",
          {{"mu", "0.01", "weight of the proximal term", at_least(0)}},
          {},
          make_with_options<FedProx>};
}

}  // namespace harmofl
