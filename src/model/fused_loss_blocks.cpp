// Every loop over the pixels of a block runs over a multiple of `lanes` of them, the last padded,
// and sums go to `lanes` partial sums: so the loops become vector code without the compiler
// changing an order of additions.
#include "fused_loss_blocks.hpp"

#include <bit>
#include <cmath>

namespace harmofl {
namespace {

constexpr std::int64_t lanes = 8;
static_assert(block_pixels % lanes == 0);

using Lanes = double[lanes];

/// e^x for x <= 0 (NaN stays): 2^n e^r with r = x - n ln 2 in [-ln 2 / 2, ln 2 / 2], e^r by its
/// series, whose next term is below 6e-9.
HARMOFL_SIMD_INLINE float exp_of_negative(float x) {
  constexpr float log2_e = 1.44269504F;
  constexpr float ln2_high = 0.693359375F;  // few bits, so that n times it is exact
  constexpr float ln2_low = -2.12194440e-4F;
  constexpr float round_by = 12582912.0F;  // 1.5 * 2^23: what is added to it is rounded to integers
  constexpr float least = -87.0F;          // below, the result would not be a normal number
  const float rounded = x * log2_e + round_by;
  const float n = rounded - round_by;
  const float r = (x - n * ln2_high) - n * ln2_low;
  float e = 1.0F / 5040.0F;
  e = e * r + 1.0F / 720.0F;
  e = e * r + 1.0F / 120.0F;
  e = e * r + 1.0F / 24.0F;
  e = e * r + 1.0F / 6.0F;
  e = e * r + 0.5F;
  e = e * r + 1.0F;
  e = e * r + 1.0F;
  const float two_to_n = std::bit_cast<float>((std::bit_cast<std::uint32_t>(rounded) + 127U) << 23);
  return x < least ? 0.0F : e * two_to_n;
}

HARMOFL_SIMD_INLINE void store(const Pixels* classes, const PixelBlock& block, float* to) {
  for (std::int64_t k = 0; k < block.classes; ++k) {
    float* const first = to + block.first_logit + k * block.class_step;
    for (std::int64_t i = 0; i < block.count; ++i) first[i * block.pixel_step] = classes[k][i];
  }
}

HARMOFL_SIMD_INLINE double sum_of(const Lanes& partial) {
  return ((partial[0] + partial[1]) + (partial[2] + partial[3])) +
         ((partial[4] + partial[5]) + (partial[6] + partial[7]));
}

/// Turns logits into exponentials of what they are below the pixel's largest, whose sums go to
/// `total` and whose logarithms at the target go to `picked`.
HARMOFL_SIMD_INLINE void exponentials(Pixels* z, const std::int32_t* targets, std::int64_t classes,
                                      std::int64_t padded, float* total, float* picked) {
  Pixels largest;
  for (std::int64_t i = 0; i < padded; ++i) largest[i] = z[0][i];
  for (std::int64_t k = 1; k < classes; ++k) {
    for (std::int64_t i = 0; i < padded; ++i) {
      largest[i] = z[k][i] > largest[i] ? z[k][i] : largest[i];
    }
  }
  for (std::int64_t i = 0; i < padded; ++i) total[i] = picked[i] = 0.0F;
  for (std::int64_t k = 0; k < classes; ++k) {
    for (std::int64_t i = 0; i < padded; ++i) {
      const float below = z[k][i] - largest[i];
      picked[i] = targets[i] == static_cast<std::int32_t>(k) ? below : picked[i];
      z[k][i] = exp_of_negative(below);
      total[i] += z[k][i];
    }
  }
}

/// sum of log total - picked. Logarithms are of products: a total is at most `most_classes`, so
/// the product over a lane of a block is below 2^128 and as accurate as a float64 is.
HARMOFL_SIMD_INLINE double cross_entropy_of(const float* total, const float* picked,
                                            std::int64_t padded) {
  Lanes product, sum;
  for (std::int64_t l = 0; l < lanes; ++l) product[l] = 1.0, sum[l] = 0.0;
  for (std::int64_t i = 0; i < padded; i += lanes) {
    for (std::int64_t l = 0; l < lanes; ++l) {
      product[l] *= static_cast<double>(total[i + l]);
      sum[l] += static_cast<double>(picked[i + l]);
    }
  }
  const double logarithms = std::log((product[0] * product[1]) * (product[2] * product[3])) +
                            std::log((product[4] * product[5]) * (product[6] * product[7]));
  return logarithms - sum_of(sum);
}

/// Turns exponentials into probabilities and adds them up.
HARMOFL_SIMD_INLINE void add_probabilities(Pixels& p, const std::int32_t* targets, std::int32_t k,
                                           std::int64_t padded, const float* total,
                                           LossSums& sums) {
  Lanes all, overlap;
  std::int64_t there[lanes];
  for (std::int64_t l = 0; l < lanes; ++l) all[l] = overlap[l] = 0.0, there[l] = 0;
  for (std::int64_t i = 0; i < padded; ++i) p[i] = targets[i] < 0 ? 0.0F : p[i] / total[i];
  for (std::int64_t i = 0; i < padded; i += lanes) {
    for (std::int64_t l = 0; l < lanes; ++l) {
      all[l] += static_cast<double>(p[i + l]);
      overlap[l] += static_cast<double>(targets[i + l] == k ? p[i + l] : 0.0F);
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
  alignas(64) Pixels z[most_classes];
  alignas(64) Pixels total, picked;
  alignas(64) std::int32_t classes[block_pixels];
  const std::int64_t padded = (block.count + lanes - 1) / lanes * lanes;
  load(logits, block, padded, z);
  if (!load_targets(targets, block, padded, classes)) sums.bad_target = true;
  exponentials(z, classes, block.classes, padded, total, picked);
  for (std::int64_t i = block.count; i < padded; ++i) total[i] = 1.0F;
  sums.cross_entropy += cross_entropy_of(total, picked, padded);
  for (std::int64_t k = 0; k < block.classes; ++k) {
    add_probabilities(z[k], classes, static_cast<std::int32_t>(k), padded, total, sums);
  }
  if (probabilities != nullptr) store(z, block, probabilities);
}

HARMOFL_SIMD_CLONES void write_gradient_block(const float* probabilities,
                                              const std::int64_t* targets, const PixelBlock& block,
                                              const LossSlopes& slopes, float* gradient) {
  alignas(64) Pixels p[most_classes];
  alignas(64) Pixels mean;  // sum_k p_k g_k
  alignas(64) std::int32_t classes[block_pixels];
  const std::int64_t padded = (block.count + lanes - 1) / lanes * lanes;
  load(probabilities, block, padded, p);
  load_targets(targets, block, padded, classes);
  const auto cross_entropy = static_cast<float>(slopes.cross_entropy);
  for (std::int64_t i = 0; i < padded; ++i) mean[i] = 0.0F;
  for (std::int64_t k = 0; k < block.classes; ++k) {
    const auto inside = static_cast<float>(slopes.inside[static_cast<std::size_t>(k)]);
    const auto outside = static_cast<float>(slopes.outside[static_cast<std::size_t>(k)]);
    for (std::int64_t i = 0; i < padded; ++i) {
      mean[i] += p[k][i] * (classes[i] == static_cast<std::int32_t>(k) ? inside : outside);
    }
  }
  for (std::int64_t k = 0; k < block.classes; ++k) {
    const auto inside = static_cast<float>(slopes.inside[static_cast<std::size_t>(k)]);
    const auto outside = static_cast<float>(slopes.outside[static_cast<std::size_t>(k)]);
    for (std::int64_t i = 0; i < padded; ++i) {
      const bool here = classes[i] == static_cast<std::int32_t>(k);
      const float g = here ? inside : outside;
      const float y = here ? 1.0F : 0.0F;
      p[k][i] = cross_entropy * (p[k][i] - y) + p[k][i] * (g - mean[i]);
    }
  }
  store(p, block, gradient);
}

}  // namespace harmofl
