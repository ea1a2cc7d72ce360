// SPDX-License-Identifier: Apache-2.0
/// The arithmetic of fused_loss.cpp on a block of pixels.
#pragma once

#include "kernels/loss/pixel_blocks.hpp"

namespace harmofl {

/// Sums over pixels.
struct LossSums {
  double cross_entropy = 0.0;
  PerClass<double> probability{}, overlap{};  ///< sum p, sum p y
  PerClass<std::int64_t> targets{};           ///< sum y
  bool bad_target = false;

  LossSums& operator+=(const LossSums& other);
};

/// Factors of the loss's gradient: of p - y, and of the Dice term g where the class is the target
/// and where it is not.
struct LossSlopes {
  double cross_entropy = 0.0;
  PerClass<double> inside{}, outside{};

  LossSlopes& operator*=(double factor);
};

/// Adds a block of `logits` to `sums`; writes the probabilities as the logits lie unless null.
void add_loss_block(const float* logits, const std::int64_t* targets, const PixelBlock& block,
                    LossSums& sums, float* probabilities);

/// Writes the gradient of a block as the probabilities lie.
void write_gradient_block(const float* probabilities, const std::int64_t* targets,
                          const PixelBlock& block, const LossSlopes& slopes, float* gradient);

}  // namespace harmofl
