/// Client weight perturbation: the half of HarmoFL that is also FedSAM's local step.
#pragma once

#include "harmofl/model/parameter_vector.hpp"

#include <torch/types.h>

#include <functional>

namespace harmofl {

struct PerturbationOptions {
  double alpha = 0.0;     ///< Length of the perturbation; 0 leaves the plain gradient, in one pass.
  bool adaptive = false;  ///< ASAM: every weight is perturbed in proportion to its size.
  double eta = 0.0;       ///< ASAM: added to |w|, so that weights of 0 move too.
};

/// The perturbed gradient (method.md, section 3; HarmoFL, AAAI 2022; SAM: Foret et al., ICLR 2021;
/// ASAM: Kwon et al., ICML 2021). Leaves in the gradients what the base optimiser shall step with.
class WeightPerturbation {
 public:
  /// Computes the loss at the present weights, writes its gradient over the gradients, returns it.
  using Gradient = std::function<torch::Tensor()>;

  /// Throws UserError for a negative alpha or eta.
  explicit WeightPerturbation(const PerturbationOptions& options);

  /// Returns the loss of the first pass, a scalar tensor on the model's device.
  torch::Tensor operator()(ParameterVector& w, const Gradient& gradient);

  /// The same, but on the CPU leaves `w` at the perturbed weights: the way back is a pass over all
  /// of them that `Optimizer::step` takes along when it is given `remaining()`.
  torch::Tensor without_return(ParameterVector& w, const Gradient& gradient);

  /// What is to be subtracted from the weights after `without_return`; undefined when nothing is.
  torch::Tensor remaining() const { return remains_ ? delta_ : torch::Tensor(); }

 private:
  void compute_delta(const ParameterVector& w);
  void perturb_on_cpu(const ParameterVector& w);

  PerturbationOptions options_;
  torch::Tensor delta_;  ///< Kept between steps, so that no step allocates it.
  bool remains_ = false;
};

}  // namespace harmofl
