// SPDX-License-Identifier: Apache-2.0
// MOON (Li, He, Song, "Model-contrastive federated learning", CVPR 2021).
//   local objective: f_i(w) + mu CE([cos(z, z_glob), cos(z, z_prev)] / T, class 0)
//   z features at w, z_glob at w_t, z_prev at the client's weights after its last round (w_t in its
//   first), the latter two without gradient
//   server: w_{t+1} = sum p_i w_i
#include "harmofl/fl/algorithm.hpp"

namespace harmofl {
namespace {

constexpr const char* previous = "moon.previous";

class Moon final : public Algorithm {
 public:
  explicit Moon(const AlgorithmOptions& options)
      : mu_(options.number("mu")), temperature_(options.number("temperature")) {}

  std::vector<KeptTensor> client_tensors() const override {
    return {{previous, KeptTensor::Shape::state}};
  }

  bool wants_features() const override { return mu_ > 0.0; }

  torch::Tensor extra_loss(ClientWork& work, const torch::Tensor& z) override {
    const torch::Tensor z_glob = work.features_at(work.start);
    const torch::Tensor z_prev =
        work.client.has(previous) ? work.features_at(work.client.get(previous)) : z_glob;
    // CE([cos(z, z_glob), cos(z, z_prev)] / T, class 0)
    const torch::Tensor similarity =
        at::stack({at::cosine_similarity(z, z_glob), at::cosine_similarity(z, z_prev)}, 1);
    const torch::Tensor first = torch::zeros({z.size(0)}, z.options().dtype(torch::kInt64));
    return mu_ * at::cross_entropy_loss(similarity / temperature_, first);
  }

  void finish(ClientWork& work) override {
    if (mu_ > 0.0) work.client.tensor(previous, work.start).copy_(work.state);
  }

 private:
  double mu_, temperature_;
};

}  // namespace

AlgorithmEntry moon() {
  return {"moon",
          "Li, He, Song, CVPR 2021",
          {{"mu", "1", "weight of the contrastive loss", at_least(0)},
           {"temperature", "0.5", "temperature of the contrastive loss", at_least(1e-6)}},
          {{"model.projection", "mlp"}},
          make_with_options<Moon>};
}

}  // namespace harmofl
