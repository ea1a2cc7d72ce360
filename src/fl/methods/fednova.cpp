// SPDX-License-Identifier: Apache-2.0
// FedNova (Wang et al., "Tackling the objective inconsistency problem in heterogeneous federated
// optimization", NeurIPS 2020): updates count by step, whatever number of steps a client takes.
//   a_i = tau_i                                                        SGD
//   a_i = [tau_i - rho (1 - rho^tau_i) / (1 - rho)] / (1 - rho)        SGD with momentum rho
//   w_{t+1} = w_t + tau_eff sum p_i D_i / a_i,   tau_eff = sum p_i a_i
// The local momentum starts anew every round; rho is train.momentum.
#include "harmofl/fl/algorithm.hpp"

#include <cmath>

namespace harmofl {
namespace {

double normaliser(double tau, double rho) {
  if (rho == 0.0) return tau;
  return (tau - rho * (1.0 - std::pow(rho, tau)) / (1.0 - rho)) / (1.0 - rho);
}

class FedNova final : public Algorithm {
 public:
  std::int64_t extra_count(std::int64_t) const override { return 1; }

  std::vector<std::string> cautions(const MethodContext& context) const override {
    if (context.optimizer.kind == OptimizerKind::sgd) return {};
    return {
        "fednova normalises by the steps of SGD, with or without momentum; steps of Adam lie "
        "outside its theory and are counted as they are, a = tau. Set --train.optimizer sgd."};
  }

  void begin(ClientWork& work) override { work.client.drop("optimizer."); }

  void finish(ClientWork& work) override {
    const double a = normaliser(static_cast<double>(work.steps), work.momentum);
    // sent: D_i / a_i, and a_i
    work.w.parameters().sub_(work.start_parameters()).div_(a);
    work.extra.fill_(a);
  }

  void server_step(ServerRound& round) override {
    const double tau_eff = round.extra.item<double>();
    // w_{t+1} = w_t + tau_eff sum p_i D_i / a_i
    round.average.mul_(tau_eff).add_(round.w);
  }
};

}  // namespace

AlgorithmEntry fednova() {
  return {"fednova", "Wang et al., NeurIPS 2020", {}, {}, make_plain<FedNova>};
}

}  // namespace harmofl
