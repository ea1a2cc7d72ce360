// SPDX-License-Identifier: Apache-2.0
// FedAdam (Reddi et al., "Adaptive federated optimization", ICLR 2021). With the rest of the
// server's step in adaptive_server.cpp:
//   v <- b2 v + (1 - b2) Delta^2
#include "fl/methods/adaptive_server.hpp"

namespace harmofl {
namespace {

class FedAdam final : public AdaptiveServer {
 public:
  explicit FedAdam(const AlgorithmOptions& options)
      : AdaptiveServer(options, "fedadam"), beta2_(options.number("beta2")) {}

 protected:
  void move_second_moment(torch::Tensor& v, const torch::Tensor& delta_squared) const override {
    v.mul_(beta2_).add_(delta_squared, 1.0 - beta2_);
  }

 private:
  double beta2_;
};

}  // namespace

AlgorithmEntry fedadam() {
  return {"fedadam",
          "Reddi et al., ICLR 2021",
          AdaptiveServer::keys(true),
          {},
          make_with_options<FedAdam>};
}

}  // namespace harmofl
