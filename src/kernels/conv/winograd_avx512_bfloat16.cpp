// SPDX-License-Identifier: Apache-2.0
// The kernels for bfloat16; compiled for x86-64-v4 with AVX512-BF16. Transforms are computed in
// float32 and rounded once; products add up in float32.
#if defined(__x86_64__)
#define HARMOFL_VECTOR_BYTES 64
#include "kernels/conv/winograd_kernels.hpp"

#include <immintrin.h>

namespace harmofl::winograd {
namespace {

struct BFloat16 {
  using Value = unsigned short;

  static Vector load(const Value* from) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return (Vector)_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16);
  }
  /// Rounds to nearest even; NaN stays NaN.
  static __m256i round(Vector value) { return (__m256i)_mm512_cvtneps_pbh((__m512)value); }
  static void store(Value* to, Vector value) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), round(value));
  }
  static Vector broadcast(const float* word) { return (Vector)_mm512_set1_ps(*word); }
  static Vector multiply(Vector a, Vector b, Vector sum) {
    return (Vector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
  }
};

/// Puts tiles as pairs: the even one fills the word, the odd one its upper half.
struct Pairs {
  unsigned* data;
  Index element_stride, channels;

  explicit Pairs(const Transformed& to)
      : data(static_cast<unsigned*>(to.data)),
        element_stride(to.element_stride / 2),
        channels(to.channels) {}
  void put(Index tile, Index channel, Index element, Vector value) const {
    unsigned* const at = data + element * element_stride + tile / 2 * channels + channel;
    __m512i word = _mm512_cvtepu16_epi32(BFloat16::round(value));
    if (tile % 2 != 0) {
      word = _mm512_or_si512(_mm512_slli_epi32(word, 16), _mm512_loadu_si512(at));
    }
    _mm512_storeu_si512(at, word);
  }
};

}  // namespace

const Kernels avx512_bfloat16_kernels = kernels_of<BFloat16, Pairs>();

}  // namespace harmofl::winograd
#endif
