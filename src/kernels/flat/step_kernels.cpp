// SPDX-License-Identifier: Apache-2.0
// The file is compiled without contraction; std::fma stands where libtorch's kernels, compiled with
// it, have one. A processor without such an instruction takes it from the C library, slowly.
#include "kernels/flat/step_kernels.hpp"

#include "base/simd.hpp"

#include <cmath>

namespace harmofl {
namespace {

constexpr std::int64_t lanes = 32;  ///< Sums side by side, for the latency of an addition.

double total(const double* sums) {
  double sum = 0.0;
  for (std::int64_t j = 0; j < lanes; ++j) sum += sums[j];
  return sum;
}

/// Sums the squares of value(i).
template <class Value>
HARMOFL_SIMD_INLINE double squares(std::int64_t count, const Value& value) {
  double sums[lanes] = {};
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (std::int64_t j = 0; j < lanes; ++j) {
      const auto x = static_cast<double>(value(i + j));
      sums[j] += x * x;
    }
  }
  for (std::int64_t j = 0; i < count; ++i, ++j) {
    const auto x = static_cast<double>(value(i));
    sums[j] += x * x;
  }
  return total(sums);
}

/// The weight to step from: back from the perturbed one, where there was a perturbation.
template <bool Perturbed>
HARMOFL_SIMD_INLINE float restored(const float* w, const float* delta, std::int64_t i) {
  return Perturbed ? w[i] - delta[i] : w[i];
}

enum class Momentum { none, first, later };

template <bool Perturbed, bool Decay, Momentum Kind>
HARMOFL_SIMD_INLINE void sgd(const float* __restrict delta, const float* __restrict g,
                             const SgdFactors& f, std::int64_t count, float* __restrict buffer,
                             float* __restrict w) {
  const float lr = -f.lr;
  for (std::int64_t i = 0; i < count; ++i) {
    const float weight = restored<Perturbed>(w, delta, i);
    float step = g[i];
    if (Decay) step = std::fma(weight, f.weight_decay, step);
    if (Kind == Momentum::later) step = buffer[i] * f.momentum + step;
    if (Kind != Momentum::none) buffer[i] = step;
    w[i] = std::fma(step, lr, weight);
  }
}

template <bool Perturbed, bool Decay>
HARMOFL_SIMD_INLINE void sgd(const float* delta, const float* g, const SgdFactors& f, bool first,
                             std::int64_t count, float* buffer, float* w) {
  if (f.momentum == 0.0F) {
    sgd<Perturbed, Decay, Momentum::none>(delta, g, f, count, buffer, w);
  } else if (first) {
    sgd<Perturbed, Decay, Momentum::first>(delta, g, f, count, buffer, w);
  } else {
    sgd<Perturbed, Decay, Momentum::later>(delta, g, f, count, buffer, w);
  }
}

template <bool Perturbed>
HARMOFL_SIMD_INLINE void adam(const float* __restrict delta, const float* __restrict g,
                              const AdamFactors& f, std::int64_t count, float* __restrict mean,
                              float* __restrict square, float* __restrict w) {
  const float rest1 = f.rest1, rest2 = f.rest2;
  for (std::int64_t i = 0; i < count; ++i) {
    const float weight = restored<Perturbed>(w, delta, i);
    const float gradient = f.weight_decay != 0.0F ? std::fma(weight, f.weight_decay, g[i]) : g[i];
    mean[i] = std::fma(rest1, gradient - mean[i], mean[i]);
    square[i] = std::fma(rest2 * gradient, gradient, square[i] * f.beta2);
    w[i] = weight + -f.lr * mean[i] / (std::sqrt(square[i]) / f.bias + f.eps);
  }
}

}  // namespace

HARMOFL_SIMD_CLONES
double sum_of_squares(const float* x, std::int64_t count) {
  return squares(count, [x](std::int64_t i) { return x[i]; });
}

HARMOFL_SIMD_CLONES
double scaled_sum_of_squares(const float* g, const float* w, float eta, std::int64_t count) {
  return squares(count, [=](std::int64_t i) { return g[i] * (std::abs(w[i]) + eta); });
}

HARMOFL_SIMD_CLONES
void perturb(const float* __restrict g, float scale, std::int64_t count, float* __restrict delta,
             float* __restrict w) {
  for (std::int64_t i = 0; i < count; ++i) {
    delta[i] = g[i] * scale;
    w[i] += delta[i];
  }
}

HARMOFL_SIMD_CLONES
void perturb_scaled(const float* __restrict g, float scale, float eta, std::int64_t count,
                    float* __restrict delta, float* __restrict w) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float size = std::abs(w[i]) + eta;
    delta[i] = g[i] * size * size * scale;
    w[i] += delta[i];
  }
}

HARMOFL_SIMD_CLONES
void step_sgd(const float* delta, const float* g, const SgdFactors& factors, bool first,
              std::int64_t count, float* buffer, float* w) {
  const bool decay = factors.weight_decay != 0.0F;
  if (delta != nullptr && decay) {
    sgd<true, true>(delta, g, factors, first, count, buffer, w);
  } else if (delta != nullptr) {
    sgd<true, false>(delta, g, factors, first, count, buffer, w);
  } else if (decay) {
    sgd<false, true>(delta, g, factors, first, count, buffer, w);
  } else {
    sgd<false, false>(delta, g, factors, first, count, buffer, w);
  }
}

HARMOFL_SIMD_CLONES
void step_adam(const float* delta, const float* g, const AdamFactors& factors, std::int64_t count,
               float* mean, float* square, float* w) {
  if (delta != nullptr) {
    adam<true>(delta, g, factors, count, mean, square, w);
  } else {
    adam<false>(delta, g, factors, count, mean, square, w);
  }
}

}  // namespace harmofl
