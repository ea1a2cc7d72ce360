// SPDX-License-Identifier: Apache-2.0
/// How loops become vector code on whatever x86-64 they run on.
#pragma once

/// Before a function: compiles it for AVX-512, for AVX2 with FMA and for any x86-64; the loader
/// chooses once, at start-up. What the function calls is compiled for each of them only where it is
/// inlined into it: mark helpers `HARMOFL_SIMD_INLINE`.
///
/// Empty elsewhere, and under sanitizers, whose start-up comes after the loader's choice. FMA
/// contracts a*b+c, so last bits may differ between kinds of processor, as libtorch's own do.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define HARMOFL_SIMD_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define HARMOFL_SIMD_CLONES
#endif

#if defined(__GNUC__)
#define HARMOFL_SIMD_INLINE inline __attribute__((always_inline))
#else
#define HARMOFL_SIMD_INLINE inline
#endif
