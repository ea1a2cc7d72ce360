// SPDX-License-Identifier: Apache-2.0
// FedYogi (Reddi et al., "Adaptive federated optimization", ICLR 2021). With the rest of the
// server's step in adaptive_server.cpp:
//   v <- v - (1 - b2) Delta^2 sign(v - Delta^2)
#include "fl/methods/adaptive_server.hpp"

namespace harmofl {
namespace {

class FedYogi final : public AdaptiveServer {
 public:
  explicit FedYogi(const AlgorithmOptions& options)
      : AdaptiveServer(options, "fedyogi"), beta2_(options.number("beta2")) {}

 protected:
  void move_second_moment(torch::Tensor& v, const torch::Tensor& delta_squared) const override {
    v.sub_(delta_squared * (v - delta_squared).sign(), 1.0 - beta2_);
  }

 private:
  double beta2_;
};

}  // namespace

AlgorithmEntry fedyogi() {
  return {"fedyogi",
          "Reddi et al., ICLR 2021",
          AdaptiveServer::keys(true),
          {},
          make_with_options<FedYogi>};
}

}  // namespace harmofl
