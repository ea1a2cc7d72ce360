// SPDX-License-Identifier: Apache-2.0
// Every loop over the pixels of a block runs over a multiple of `lanes` of them, the last padded,
// and sums go to `lanes` partial sums: so the loops become vector code without the compiler
// changing an order of additions.
#include "kernels/loss/fused_loss_blocks.hpp"

#include <bit>
#include <cmath>

namespace harmofl {
namespace {

constexpr std::int64_t lanes = 8;
static_assert(block_pixels % lanes == 0);

using Lanes = double[lanes];

/// e^x for x <= 0 (NaN stays): 2^n e^r with r = x - n ln 2 in [-ln 2 / 2, ln 2 / 2], e^r by its
/// series, whose next term is below 1e-14.
HARMOFL_SIMD_INLINE double exp_of_negative(double x) {
  constexpr double log2_e = 1.4426950408889634;
  constexpr double ln2 = 0.6931471805599453;
  constexpr double round_by = 6755399441055744.0;  // 1.5 * 2^52: a sum with it rounds to integers
  constexpr double least = -700.0;                 // below, it would not be a normal number
  const double rounded = x * log2_e + round_by;
  const double r = x - (rounded - round_by) * ln2;
  double e = 1.0 / 39916800.0;
  e = e * r + 1.0 / 3628800.0;
  e = e * r + 1.0 / 362880.0;
  e = e * r + 1.0 / 40320.0;
  e = e * r + 1.0 / 5040.0;
  e = e * r + 1.0 / 720.0;
  e = e * r + 1.0 / 120.0;
  e = e * r + 1.0 / 24.0;
  e = e * r + 1.0 / 6.0;
  e = e * r + 0.5;
  e = e * r + 1.0;
  e = e * r + 1.0;
  const double two_to_n =
      std::bit_cast<double>((std::bit_cast<std::uint64_t>(rounded) + 1023U) << 52);
  return x < least ? 0.0 : e * two_to_n;
}

HARMOFL_SIMD_INLINE void store(const Pixels<double>* classes, const PixelBlock& block, float* to) {
  for (std::int64_t k = 0; k < block.classes; ++k) {
    float* const first = to + block.first_logit + k * block.class_step;
    if (block.pixel_step == 1) {
      for (std::int64_t i = 0; i < block.count; ++i) first[i] = static_cast<float>(classes[k][i]);
    } else {
      for (std::int64_t i = 0; i < block.count; ++i)
        first[i * block.pixel_step] = static_cast<float>(classes[k][i]);
    }
  }
}

HARMOFL_SIMD_INLINE double sum_of(const Lanes& partial) {
  return ((partial[0] + partial[1]) + (partial[2] + partial[3])) +
         ((partial[4] + partial[5]) + (partial[6] + partial[7]));
}

/// Turns logits into exponentials of what they are below the pixel's largest, whose sums go to
/// `total` and whose logarithms at the target go to `picked`.
HARMOFL_SIMD_INLINE void exponentials(Pixels<double>* z, const std::int32_t* targets,
                                      std::int64_t classes, std::int64_t padded, double* total,
                                      double* picked) {
  Pixels<double> largest;
  for (std::int64_t i = 0; i < padded; ++i) largest[i] = z[0][i];
  for (std::int64_t k = 1; k < classes; ++k) {
    for (std::int64_t i = 0; i < padded; ++i) {
      largest[i] = z[k][i] > largest[i] ? z[k][i] : largest[i];
    }
  }
  for (std::int64_t i = 0; i < padded; ++i) total[i] = picked[i] = 0.0;
  for (std::int64_t k = 0; k < classes; ++k) {
    for (std::int64_t i = 0; i < padded; ++i) {
      const double below = z[k][i] - largest[i];
      picked[i] = targets[i] == static_cast<std::int32_t>(k) ? below : picked[i];
      z[k][i] = exp_of_negative(below);
      total[i] += z[k][i];
    }
  }
}

/// sum of log total - picked. Logarithms are of products: a total is at most `max_classes`, so
/// the product over a lane of a block is below 2^128 and as accurate as a float64 is.
HARMOFL_SIMD_INLINE double cross_entropy_of(const double* total, const double* picked,
                                            std::int64_t padded) {
  Lanes product, sum;
  for (std::int64_t l = 0; l < lanes; ++l) product[l] = 1.0, sum[l] = 0.0;
  for (std::int64_t i = 0; i < padded; i += lanes) {
    for (std::int64_t l = 0; l < lanes; ++l) {
      product[l] *= total[i + l];
      sum[l] += picked[i + l];
    }
  }
  const double logarithms = std::log((product[0] * product[1]) * (product[2] * product[3])) +
                            std::log((product[4] * product[5]) * (product[6] * product[7]));
  return logarithms - sum_of(sum);
}

/// Turns exponentials into probabilities and adds them up.
HARMOFL_SIMD_INLINE void add_probabilities(Pixels<double>& p, const std::int32_t* targets,
                                           std::int32_t k, std::int64_t padded, const double* total,
                                           LossSums& sums) {
  Lanes all, overlap;
  std::int64_t there[lanes];
  for (std::int64_t l = 0; l < lanes; ++l) all[l] = overlap[l] = 0.0, there[l] = 0;
  for (std::int64_t i = 0; i < padded; ++i) p[i] = targets[i] < 0 ? 0.0 : p[i] / total[i];
  for (std::int64_t i = 0; i < padded; i += lanes) {
    for (std::int64_t l = 0; l < lanes; ++l) {
      all[l] += p[i + l];
      overlap[l] += targets[i + l] == k ? p[i + l] : 0.0;
      there[l] += targets[i + l] == k ? 1 : 0;
    }
  }
  const auto index = static_cast<std::size_t>(k);
  sums.probability[index] += sum_of(all);
  sums.overlap[index] += sum_of(overlap);
  for (std::int64_t l = 0; l < lanes; ++l) sums.targets[index] += there[l];
}

}  // namespace

LossSums& LossSums::operator+=(const LossSums& other) {
  cross_entropy += other.cross_entropy;
  for (std::size_t k = 0; k < probability.size(); ++k) {
    probability[k] += other.probability[k];
    overlap[k] += other.overlap[k];
    targets[k] += other.targets[k];
  }
  bad_target = bad_target || other.bad_target;
  return *this;
}

LossSlopes& LossSlopes::operator*=(double factor) {
  cross_entropy *= factor;
  for (double& slope : inside) slope *= factor;
  for (double& slope : outside) slope *= factor;
  return *this;
}

HARMOFL_SIMD_CLONES void add_loss_block(const float* logits, const std::int64_t* targets,
                                        const PixelBlock& block, LossSums& sums,
                                        float* probabilities) {
  alignas(64) Pixels<double> z[max_classes];
  alignas(64) Pixels<double> total, picked;
  alignas(64) std::int32_t classes[block_pixels];
  const std::int64_t padded = (block.count + lanes - 1) / lanes * lanes;
  load(logits, block, padded, z);
  if (!load_targets(targets, block, padded, classes)) sums.bad_target = true;
  exponentials(z, classes, block.classes, padded, total, picked);
  for (std::int64_t i = block.count; i < padded; ++i) total[i] = 1.0;
  sums.cross_entropy += cross_entropy_of(total, picked, padded);
  for (std::int64_t k = 0; k < block.classes; ++k) {
    add_probabilities(z[k], classes, static_cast<std::int32_t>(k), padded, total, sums);
  }
  if (probabilities != nullptr) store(z, block, probabilities);
}

HARMOFL_SIMD_CLONES void write_gradient_block(const float* probabilities,
                                              const std::int64_t* targets, const PixelBlock& block,
                                              const LossSlopes& slopes, float* gradient) {
  alignas(64) Pixels<double> p[max_classes];
  alignas(64) Pixels<double> mean;  // sum_k p_k g_k
  alignas(64) std::int32_t classes[block_pixels];
  const std::int64_t padded = (block.count + lanes - 1) / lanes * lanes;
  load(probabilities, block, padded, p);
  load_targets(targets, block, padded, classes);
  const double cross_entropy = slopes.cross_entropy;
  for (std::int64_t i = 0; i < padded; ++i) mean[i] = 0.0;
  for (std::int64_t k = 0; k < block.classes; ++k) {
    const double inside = slopes.inside[static_cast<std::size_t>(k)];
    const double outside = slopes.outside[static_cast<std::size_t>(k)];
    for (std::int64_t i = 0; i < padded; ++i) {
      mean[i] += p[k][i] * (classes[i] == static_cast<std::int32_t>(k) ? inside : outside);
    }
  }
  for (std::int64_t k = 0; k < block.classes; ++k) {
    const double inside = slopes.inside[static_cast<std::size_t>(k)];
    const double outside = slopes.outside[static_cast<std::size_t>(k)];
    for (std::int64_t i = 0; i < padded; ++i) {
      const bool here = classes[i] == static_cast<std::int32_t>(k);
      const double g = here ? inside : outside;
      const double y = here ? 1.0 : 0.0;
      p[k][i] = cross_entropy * (p[k][i] - y) + p[k][i] * (g - mean[i]);
    }
  }
  store(p, block, gradient);
}

}  // namespace harmofl
