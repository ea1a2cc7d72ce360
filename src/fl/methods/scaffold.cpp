// SPDX-License-Identifier: Apache-2.0
// SCAFFOLD (Karimireddy et al., "SCAFFOLD: Stochastic controlled averaging for federated learning",
// ICML 2020), option II, with S the clients that count in a round.
//   local step: w <- w - eta (g - c_i + c)
//   c_i' = c_i - c + (w_t - w_i) / (tau_i eta)
//   server:     w_{t+1} = sum_S p_i w_i,   c <- c + |S|/K sum_S p_i (c_i' - c_i)
// With uniform weights p_i = 1/|S|, which is the published form. With others, |S|/K stands for the
// share that S has in the weights of all clients, so that |S|/K p_i is a client's weight among all.
#include "harmofl/fl/algorithm.hpp"

namespace harmofl {
namespace {

constexpr const char* variate = "scaffold.c";

class Scaffold final : public Algorithm {
 public:
  std::int64_t extra_count(std::int64_t parameters) const override { return parameters; }

  std::vector<std::string> cautions(const MethodContext& context) const override {
    std::vector<std::string> found;
    if (context.optimizer.kind != OptimizerKind::sgd ||
        context.optimizer.effective_momentum() > 0.0 || context.optimizer.weight_decay > 0.0) {
      found.emplace_back(
          "scaffold reads a client's gradient off its steps, which is right for plain SGD alone. "
          "Set --train.optimizer sgd --train.momentum 0 --train.weight_decay 0.");
    }
    if (context.weights != Weighting::uniform) {
      found.emplace_back(
          "scaffold is published with clients that count alike; with data.weights = samples the "
          "control variates are averaged with the same weights as the models.");
    }
    return found;
  }

  std::vector<KeptTensor> client_tensors() const override { return {{variate}}; }
  std::vector<KeptTensor> server_tensors() const override { return {{variate}}; }

  void add_gradient(ClientWork& work) override {
    // g - c_i + c
    if (work.client.has(variate)) work.w.gradients().sub_(own(work));
    if (work.server.has(variate)) work.w.gradients().add_(work.server.get(variate));
  }

  void finish(ClientWork& work) override {
    // c_i' - c_i = -c + (w_t - w_i) / (tau_i eta)
    const double scale = 1.0 / (static_cast<double>(work.steps) * work.lr);
    work.extra.copy_((work.start_parameters() - work.w.parameters()) * scale);
    if (work.server.has(variate)) work.extra.sub_(work.server.get(variate));
    own(work).add_(work.extra);
  }

  void server_step(ServerRound& round) override {
    // c <- c + |S|/K sum_S p_i (c_i' - c_i)
    round.server.tensor(variate, round.w).add_(round.extra, round.participation);
  }

 private:
  static torch::Tensor& own(ClientWork& work) {
    return work.client.tensor(variate, work.w.parameters());
  }
};

}  // namespace

AlgorithmEntry scaffold() {
  return {"scaffold", "Karimireddy et al., ICML 2020", {}, {}, make_plain<Scaffold>};
}

}  // namespace harmofl
