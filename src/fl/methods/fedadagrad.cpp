// SPDX-License-Identifier: Apache-2.0
// FedAdagrad (Reddi et al., "Adaptive federated optimization", ICLR 2021). With the rest of the
// server's step in adaptive_server.cpp:
//   v <- v + Delta^2
#include "fl/methods/adaptive_server.hpp"

namespace harmofl {
namespace {

class FedAdagrad final : public AdaptiveServer {
 public:
  explicit FedAdagrad(const AlgorithmOptions& options) : AdaptiveServer(options, "fedadagrad") {}

 protected:
  void move_second_moment(torch::Tensor& v, const torch::Tensor& delta_squared) const override {
    v.add_(delta_squared);
  }
};

}  // namespace

AlgorithmEntry fedadagrad() {
  return {"fedadagrad",
          "Reddi et al., ICLR 2021",
          AdaptiveServer::keys(false),
          {},
          make_with_options<FedAdagrad>};
}

}  // namespace harmofl
