// SPDX-License-Identifier: Apache-2.0
// Ditto (Li et al., "Ditto: Fair and robust federated learning through personalization", ICML
// 2021).
//   FedAvg, and for every client a personal v_i, which starts as the first global model and takes a
//   step after each of the client's, on the same batch:
//   v_i <- v_i - eta (grad f_i(v_i) + lambda (v_i - w_t))
//   A client is evaluated with v_i. The base optimiser has moments of its own for v_i.
#include "harmofl/fl/algorithm.hpp"

namespace harmofl {
namespace {

constexpr const char* personal = "ditto.personal";
constexpr const char* moments = "ditto.";

class Ditto final : public Algorithm {
 public:
  explicit Ditto(const AlgorithmOptions& options) : lambda_(options.number("lambda")) {}

  std::string personal_state() const override { return personal; }
  std::vector<KeptTensor> client_tensors() const override {
    return {{personal, KeptTensor::Shape::state}};
  }
  std::vector<std::string> moment_prefixes() const override { return {moments}; }

  void begin(ClientWork& work) override {
    if (!work.client.has(personal)) work.client.tensor(personal, work.start).copy_(work.start);
  }

  void add_gradient(ClientWork& work) override {
    if (!at_personal_ || lambda_ == 0.0) return;
    // grad f_i(v_i) + lambda (v_i - w_t)
    work.w.gradients().add_(work.w.parameters() - work.start_parameters(), lambda_);
  }

  void after_step(ClientWork& work) override {
    if (at_personal_) return;
    torch::Tensor& v = work.client.tensor(personal, work.start);
    const torch::Tensor local = work.state.clone();
    work.state.copy_(v);
    at_personal_ = true;
    work.step(moments);
    at_personal_ = false;
    v.copy_(work.state);
    work.state.copy_(local);
  }

 private:
  double lambda_;
  bool at_personal_ = false;  ///< While the weights are those of v_i.
};

}  // namespace

AlgorithmEntry ditto() {
  return {"ditto",
          "Li et al., ICML 2021",
          {{"lambda", "1", "pull of the personal model towards the global one", at_least(0)}},
          {{"data.evaluate", "clients"}},
          make_with_options<Ditto>};
}

}  // namespace harmofl
