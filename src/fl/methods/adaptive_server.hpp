// SPDX-License-Identifier: Apache-2.0
/// What FedAdam, FedYogi and FedAdagrad share (Reddi et al., "Adaptive federated optimization",
/// ICLR 2021). They differ in how the second moment v moves.
#pragma once

#include "harmofl/fl/algorithm.hpp"

namespace harmofl {

class AdaptiveServer : public Algorithm {
 public:
  AdaptiveServer(const AlgorithmOptions& options, std::string name);

  std::vector<KeptTensor> server_tensors() const final { return {{name_ + ".m"}, {name_ + ".v"}}; }
  void server_step(ServerRound& round) final;

  /// The keys beta1, server_lr and tau, and beta2 where the method has it.
  static std::vector<AlgorithmKey> keys(bool with_beta2);

 protected:
  /// Moves v, float32 [P], given Delta^2. In place.
  virtual void move_second_moment(torch::Tensor& v, const torch::Tensor& delta_squared) const = 0;

 private:
  std::string name_;
  double beta1_, eta_, tau_;
};

}  // namespace harmofl
