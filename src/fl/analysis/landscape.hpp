// SPDX-License-Identifier: Apache-2.0
/// The loss around a model: how it grows as the weights are moved (method.md, section 7).
#pragma once

#include "comm/communicator.hpp"
#include "harmofl/data/client_data.hpp"
#include "model/measures/losses.hpp"
#include "model/model.hpp"

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace harmofl {

/// Directions, float32 [parameters], lie in the order of `ParameterVector::parameters`.
/// Standard normal numbers, a pure function of (seed, index): the same on every rank and for every
/// memory format of the weights.
torch::Tensor random_direction(const ParameterVector& weights, std::uint64_t seed,
                               std::int64_t index);

/// d / ||d||_2, norm over all parameters together; a zero direction stays zero.
torch::Tensor unit_direction(const torch::Tensor& direction);

/// Filter-wise normalisation (Li, Xu, Taylor, Studer, Goldstein: "Visualizing the Loss Landscape of
/// Neural Nets", NeurIPS 2018, section 4): for every filter i of every weight tensor j
///     d_ij <- d_ij ||w_ij|| / ||d_ij||
/// (Frobenius norms), where a filter is w_j[i], a slice of the first dimension, of tensors of two
/// or more dimensions: the output channels of convolutions and linear layers (and, as in the
/// authors' published code, the input channels of transposed convolutions, which have theirs
/// first). Tensors of one dimension or none (biases, norms) get direction 0.
torch::Tensor filter_normalized(const ParameterVector& weights, const torch::Tensor& direction);

/// Gives a point's offset, float32 [parameters], from w.
using OffsetOf = std::function<torch::Tensor(std::int64_t point)>;

/// The points at lengths `radii` along `count` rays, ray after ray: point i lies at
///     r d / ||d||_2        d = draw(i / radii), r = radii[i % radii]
/// Every ray is drawn once for all of its radii as long as the points are asked for in order; one
/// ray is kept at a time.
OffsetOf points_on_rays(std::function<torch::Tensor(std::int64_t ray)> draw,
                        std::vector<double> radii);

/// What is measured at one point: means over sites, each site alike.
struct LandscapePoint {
  double loss = 0.0;
  double metric = 0.0;  ///< The task's main metric.
};

struct LandscapeOptions {
  Task task = Task::segmentation;
  std::int64_t classes = 2;
  LossOptions loss = LossKind::cross_entropy;
  std::int64_t batch_size = 16;
};

/// Loss and main metric as functions of a model's trained parameters w, in evaluation mode. After
/// every call the model holds the same bits as before, its buffers included.
class Landscape {
 public:
  /// The model must outlive this object; its amplitude is frozen or off. Throws UserError unless
  /// there are sites and each has samples.
  Landscape(Model& model, const LandscapeOptions& options, std::vector<Samples> sites);

  /// Measures at w + offset, `offset` float32 [parameters].
  LandscapePoint at(const torch::Tensor& offset);

  /// The gradient of the loss at w, float32 [parameters]: to first order the direction in which a
  /// step of given length raises the loss most.
  torch::Tensor gradient();

  /// Measures at w + offset(0), ..., w + offset(count - 1): point i on rank i modulo ranks. Every
  /// rank gets all of them, the same bits for any number of ranks. Expects the same arguments,
  /// model and sites on every rank. Collective.
  std::vector<LandscapePoint> at_points(std::int64_t count, const OffsetOf& offset,
                                        const Communicator& comm);

 private:
  Model& model_;
  LandscapeOptions options_;
  std::vector<Samples> sites_;
};

}  // namespace harmofl
