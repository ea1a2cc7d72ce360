// SPDX-License-Identifier: Apache-2.0
/// Vectors of float32 for kernels over channels, and which width this machine has.
///
/// A kernel is a struct with a member `template <int N, int U> void run(channel, first, last)` that
/// treats U times N neighbouring channels of rows [first, last). `sweep` calls it for all channels
/// in a version compiled for AVX-512, AVX2 or any processor.
#pragma once

#include "base/simd.hpp"

#include <c10/util/BFloat16.h>

#include <cstdint>
#include <cstring>

namespace harmofl::kernels {

template <int N>
struct Lanes {
  typedef float Floats __attribute__((vector_size(4 * N)));
  typedef std::uint32_t Words __attribute__((vector_size(4 * N)));
  typedef std::uint16_t Halves __attribute__((vector_size(2 * N)));
};

template <int N>
using Floats = typename Lanes<N>::Floats;

// Vectors go by reference: their ABI as values depends on the version.

template <int N>
HARMOFL_SIMD_INLINE void load(Floats<N>& v, const float* from) {
  std::memcpy(&v, from, sizeof v);
}

template <int N>
HARMOFL_SIMD_INLINE void load(Floats<N>& v, const c10::BFloat16* from) {
  typename Lanes<N>::Halves halves;
  std::memcpy(&halves, from, sizeof halves);
  const typename Lanes<N>::Words words = __builtin_convertvector(halves, typename Lanes<N>::Words)
                                         << 16;
  std::memcpy(&v, &words, sizeof v);
}

template <int N>
HARMOFL_SIMD_INLINE void store(float* to, const Floats<N>& v) {
  std::memcpy(to, &v, sizeof v);
}

/// The upper halves, rounded to nearest even; every NaN becomes the quiet one.
template <int N>
HARMOFL_SIMD_INLINE void to_halves(typename Lanes<N>::Words& words, const Floats<N>& v) {
  std::memcpy(&words, &v, sizeof v);
  const typename Lanes<N>::Words rounded = (words + 0x7FFFU + ((words >> 16) & 1U)) >> 16;
  words = v == v ? rounded : rounded - rounded + 0x7FC0U;
}

template <int N>
HARMOFL_SIMD_INLINE void store(c10::BFloat16* to, const Floats<N>& v) {
  typename Lanes<N>::Words words;
  to_halves<N>(words, v);
  const typename Lanes<N>::Halves halves =
      __builtin_convertvector(words, typename Lanes<N>::Halves);
  std::memcpy(to, &halves, sizeof halves);
}

/// What `v` is once it has been stored as T.
template <class T, int N>
HARMOFL_SIMD_INLINE void round_to(Floats<N>& v) {
  if constexpr (sizeof(T) == 2) {
    typename Lanes<N>::Words words;
    to_halves<N>(words, v);
    words <<= 16;
    std::memcpy(&v, &words, sizeof v);
  }
}

enum class SimdLevel { any, avx2, avx512 };

/// The widest version that this machine runs.
inline SimdLevel simd_level() {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
  static const SimdLevel level = __builtin_cpu_supports("x86-64-v4")   ? SimdLevel::avx512
                                 : __builtin_cpu_supports("x86-64-v3") ? SimdLevel::avx2
                                                                       : SimdLevel::any;
  return level;
#else
  return SimdLevel::any;
#endif
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define HARMOFL_SIMD_TARGET(name) __attribute__((target(name)))
#else
#define HARMOFL_SIMD_TARGET(name)
#endif

template <int N, class Kernel>
HARMOFL_SIMD_INLINE void sweep_channels(const Kernel& kernel, std::int64_t channels,
                                        std::int64_t first, std::int64_t last) {
  constexpr int unrolled = 4;
  constexpr int few = 4;
  std::int64_t c = 0;
  for (; c + unrolled * N <= channels; c += unrolled * N) {
    kernel.template run<N, unrolled>(c, first, last);
  }
  for (; c + N <= channels; c += N) kernel.template run<N, 1>(c, first, last);
  for (; c + few <= channels; c += few) kernel.template run<few, 1>(c, first, last);
  for (; c < channels; ++c) kernel.template run<1, 1>(c, first, last);
}

template <class Kernel>
HARMOFL_SIMD_TARGET("arch=x86-64-v4")
void sweep_avx512(const Kernel& kernel, std::int64_t channels, std::int64_t first,
                  std::int64_t last) {
  sweep_channels<16>(kernel, channels, first, last);
}

template <class Kernel>
HARMOFL_SIMD_TARGET("arch=x86-64-v3")
void sweep_avx2(const Kernel& kernel, std::int64_t channels, std::int64_t first,
                std::int64_t last) {
  sweep_channels<8>(kernel, channels, first, last);
}

template <class Kernel>
void sweep_any(const Kernel& kernel, std::int64_t channels, std::int64_t first, std::int64_t last) {
  sweep_channels<4>(kernel, channels, first, last);
}

/// Runs `kernel` for all channels of rows [first, last).
template <class Kernel>
void sweep(const Kernel& kernel, std::int64_t channels, std::int64_t first, std::int64_t last) {
  switch (simd_level()) {
    case SimdLevel::avx512:
      return sweep_avx512(kernel, channels, first, last);
    case SimdLevel::avx2:
      return sweep_avx2(kernel, channels, first, last);
    case SimdLevel::any:
      return sweep_any(kernel, channels, first, last);
  }
}

}  // namespace harmofl::kernels
