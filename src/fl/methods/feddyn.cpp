// SPDX-License-Identifier: Apache-2.0
// FedDyn (Acar et al., "Federated learning based on dynamic regularization", ICLR 2021), with S the
// clients that count in a round.
//   local objective: f_i(w) - <h_i, w> + a/2 ||w - w_t||^2
//   h_i <- h_i - a (w_i - w_t)
//   server: h <- h - a |S|/K sum_S p_i (w_i - w_t),   w_{t+1} = sum_S p_i w_i - h / a
// With uniform weights p_i = 1/|S|, which is the published form. With others, |S|/K stands for the
// share that S has in the weights of all clients, so that |S|/K p_i is a client's weight among all.
#include "harmofl/fl/algorithm.hpp"

namespace harmofl {
namespace {

constexpr const char* linear = "feddyn.h";

class FedDyn final : public Algorithm {
 public:
  explicit FedDyn(const AlgorithmOptions& options) : a_(options.number("a")) {}

  std::vector<std::string> cautions(const MethodContext& context) const override {
    if (context.weights == Weighting::uniform) return {};
    return {
        "feddyn is published with clients that count alike; with data.weights = samples its means "
        "over clients are weighted ones."};
  }

  std::vector<KeptTensor> client_tensors() const override { return {{linear}}; }
  std::vector<KeptTensor> server_tensors() const override { return {{linear}}; }

  void add_gradient(ClientWork& work) override {
    // g - h_i + a (w - w_t)
    work.w.gradients().sub_(own(work)).add_(work.w.parameters() - work.start_parameters(), a_);
  }

  void finish(ClientWork& work) override {
    // h_i <- h_i - a (w_i - w_t)
    own(work).sub_(work.w.parameters() - work.start_parameters(), a_);
  }

  void server_step(ServerRound& round) override {
    torch::Tensor& h = round.server.tensor(linear, round.w);
    // h <- h - a |S|/K sum_S p_i (w_i - w_t)
    h.sub_(round.average - round.w, a_ * round.participation);
    // w_{t+1} = sum_S p_i w_i - h / a
    round.average.sub_(h, 1.0 / a_);
  }

 private:
  static torch::Tensor& own(ClientWork& work) {
    return work.client.tensor(linear, work.w.parameters());
  }

  double a_;
};

}  // namespace

AlgorithmEntry feddyn() {
  return {"feddyn",
          "Acar et al., ICLR 2021",
          {{"a", "0.01", "weight of the dynamic regularisation", at_least(1e-12)}},
          {},
          make_with_options<FedDyn>};
}

}  // namespace harmofl
