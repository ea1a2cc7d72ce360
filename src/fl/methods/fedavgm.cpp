// SPDX-License-Identifier: Apache-2.0
// FedAvgM (Hsu, Qi, Brown, "Measuring the effects of non-identical data distribution for federated
// visual classification", 2019): the server steps with momentum.
//   u <- beta u + sum p_i D_i
//   w_{t+1} = w_t + eta u
// Computed in float64 and rounded once, so that beta = 0, eta = 1 is FedAvg to the bit.
#include "harmofl/fl/algorithm.hpp"

namespace harmofl {
namespace {

constexpr const char* momentum = "fedavgm.u";

class FedAvgM final : public Algorithm {
 public:
  explicit FedAvgM(const AlgorithmOptions& options)
      : beta_(options.number("beta")), eta_(options.number("server_lr")) {}

  std::vector<KeptTensor> server_tensors() const override { return {{momentum}}; }

  void server_step(ServerRound& round) override {
    const torch::Tensor w = round.w.to(torch::kFloat64);
    torch::Tensor& kept = round.server.tensor(momentum, round.w);
    // u <- beta u + sum p_i D_i
    const torch::Tensor u = beta_ * kept.to(torch::kFloat64) + (round.average - w);
    kept.copy_(u);
    // w_{t+1} = w_t + eta u
    round.average.copy_(w + eta_ * u);
  }

 private:
  double beta_, eta_;
};

}  // namespace

AlgorithmEntry fedavgm() {
  return {"fedavgm",
          "Hsu, Qi, Brown, arXiv 1909.06335, 2019",
          {{"beta", "0.9", "momentum of the server", from_to_below(0, 1)},
           {"server_lr", "1", "step of the server", at_least(0)}},
          {},
          make_with_options<FedAvgM>};
}

}  // namespace harmofl
