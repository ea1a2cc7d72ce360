/// HarmoFL (Jiang, Wang, Dou, "HarmoFL: Harmonizing local and global drifts in federated learning
/// on heterogeneous medical images", AAAI 2022).
///
/// Clients see amplitude-normalised images and step with the gradient at perturbed weights, which
/// leads them to flat minima; the server averages models and, once, the running amplitudes.
#pragma once

#include "harmofl/fl/algorithm.hpp"
#include "harmofl/model/parameter_vector.hpp"

#include <torch/types.h>

#include <functional>

namespace harmofl {

/// Client weight perturbation (method.md, section 3). Leaves in the gradients what the base
/// optimiser shall step with.
class WeightPerturbation {
 public:
  /// Computes the loss at the present weights, writes its gradient over the gradients, returns it.
  using Gradient = std::function<torch::Tensor()>;

  /// `alpha` is the perturbation's length; 0 leaves the plain gradient, in one pass.
  /// Throws UserError for a negative one.
  explicit WeightPerturbation(double alpha);

  /// Returns the loss of the first pass, a scalar tensor on the model's device.
  torch::Tensor operator()(ParameterVector& w, const Gradient& gradient);

 private:
  double alpha_;
  torch::Tensor delta_;  ///< Kept between steps, so that no step allocates it.
};

class HarmoFL final : public Algorithm {
 public:
  void server_step(Model& global, const torch::Tensor& average) override;
};

}  // namespace harmofl
