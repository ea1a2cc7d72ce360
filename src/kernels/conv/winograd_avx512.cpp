// SPDX-License-Identifier: Apache-2.0
// The kernels with vectors of 64 bytes; compiled for x86-64-v4.
#if defined(__x86_64__)
#define HARMOFL_VECTOR_BYTES 64
#include "kernels/conv/winograd_kernels.hpp"

namespace harmofl::winograd {

const Kernels avx512_kernels = kernels_of<Float32, Rows<Float32>>();

}  // namespace harmofl::winograd
#endif
