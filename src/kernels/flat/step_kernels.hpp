// SPDX-License-Identifier: Apache-2.0
/// The arithmetic of a step on flat buffers, on the CPU: each a single pass.
///
/// Every operation is rounded to float32 as the vectors of libtorch's own kernels round it, so that
/// a step has the same bits by either (but for moments of the last few elements, which libtorch
/// steps one by one and rounds otherwise). Elements are independent of one another but for the
/// norms, whose order of summation depends on the length alone.
#pragma once

#include <cstdint>

namespace harmofl {

/// What SGD steps with, in float32.
struct SgdFactors {
  float lr, momentum, weight_decay;
};

/// What Adam steps with: lr / (1 - beta1^t), 1 - beta1 and 1 - beta2 as `rest1` and `rest2`,
/// sqrt(1 - beta2^t) as `bias`.
struct AdamFactors {
  float lr, beta2, rest1, rest2, weight_decay, eps, bias;
};

/// Sum of x_i^2, in float64.
double sum_of_squares(const float* x, std::int64_t count);

/// Sum of (g_i (|w_i| + eta))^2, the products in float32, in float64.
double scaled_sum_of_squares(const float* g, const float* w, float eta, std::int64_t count);

/// delta = scale g, w += delta
void perturb(const float* g, float scale, std::int64_t count, float* delta, float* w);

/// T = |w| + eta, delta = scale T T g, w += delta
void perturb_scaled(const float* g, float scale, float eta, std::int64_t count, float* delta,
                    float* w);

/// w -= delta unless `delta` is null, then a step of SGD. `buffer` may be null without momentum;
/// `first` makes the gradient the buffer.
void step_sgd(const float* delta, const float* g, const SgdFactors& factors, bool first,
              std::int64_t count, float* buffer, float* w);

/// w -= delta unless `delta` is null, then a step of Adam with moments `mean` and `square`.
void step_adam(const float* delta, const float* g, const AdamFactors& factors, std::int64_t count,
               float* mean, float* square, float* w);

}  // namespace harmofl
