// SPDX-License-Identifier: Apache-2.0
#include "fl/methods/adaptive_server.hpp"

namespace harmofl {

AdaptiveServer::AdaptiveServer(const AlgorithmOptions& options, std::string name)
    : name_(std::move(name)),
      beta1_(options.number("beta1")),
      eta_(options.number("server_lr")),
      tau_(options.number("tau")) {}

void AdaptiveServer::server_step(ServerRound& round) {
  const bool first = !round.server.has(name_ + ".v");
  torch::Tensor& m = round.server.tensor(name_ + ".m", round.w);
  torch::Tensor& v = round.server.tensor(name_ + ".v", round.w);
  if (first) v.fill_(tau_ * tau_);  // m_0 = 0, v_0 = tau^2
  // Delta = sum p_i D_i
  const torch::Tensor delta = round.average - round.w;
  // m <- b1 m + (1 - b1) Delta
  m.mul_(beta1_).add_(delta, 1.0 - beta1_);
  move_second_moment(v, delta.square());
  // w_{t+1} = w_t + eta m / (sqrt v + tau), without bias correction
  round.average.copy_(round.w + eta_ * m / (v.sqrt() + tau_));
}

std::vector<AlgorithmKey> AdaptiveServer::keys(bool with_beta2) {
  std::vector<AlgorithmKey> keys{
      {"beta1", "0.9", "decay of the server's first moment", from_to_below(0, 1)},
      {"server_lr", "0.01", "step of the server", at_least(0)},
      {"tau", "0.001", "added to the root of the server's second moment", at_least(1e-12)},
  };
  if (with_beta2)
    keys.push_back({"beta2", "0.99", "decay of the server's second moment", from_to_below(0, 1)});
  return keys;
}

}  // namespace harmofl
