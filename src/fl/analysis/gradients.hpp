// SPDX-License-Identifier: Apache-2.0
/// Gradients of sites' losses, and how far they agree.
#pragma once

#include "harmofl/data/client_data.hpp"
#include "model/measures/losses.hpp"
#include "model/model.hpp"

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace harmofl {

/// Where batch norms with running statistics take their statistics from.
enum class Statistics {
  batch,    ///< Training mode. The running ones do not move.
  running,  ///< Evaluation mode.
};

/// The gradient of the loss, without class weights, over all of `samples`, in stored order and
/// batches of `batch_size`:
///     g = sum_b (n_b / n) grad L_b,
/// n_b the samples of batch b, n those of all. Added up in float64, given as float32 in the order
/// of `model.state().parameters()`, on the model's device. The model keeps every bit of its state,
/// is in evaluation mode afterwards, and needs a frozen or observed amplitude. Throws UserError
/// when there are no samples.
torch::Tensor split_gradient(Model& model, const Samples& samples, const LossOptions& loss,
                             std::int64_t batch_size, Statistics statistics);

/// How gradients g_1..g_K lie to one another. A cosine with a zero vector is NaN.
struct GradientGeometry {
  std::vector<double> norms;                 ///< ||g_i||_2.
  std::vector<std::vector<double>> cosines;  ///< <g_i, g_j> / (||g_i|| ||g_j||), K x K.
  double mean_norm = 0.0;                    ///< ||m||_2 of the mean m = (1/K) sum_i g_i.
  std::vector<double> mean_cosines;          ///< <g_i, m> / (||g_i|| ||m||).
};

/// Measures gradients of one length, one or more; inner products in float64.
GradientGeometry geometry(const std::vector<torch::Tensor>& gradients);

}  // namespace harmofl
