// SPDX-License-Identifier: Apache-2.0
// The kernels with vectors of 32 bytes; compiled for x86-64-v3.
#if defined(__x86_64__)
#define HARMOFL_VECTOR_BYTES 32
#include "kernels/conv/winograd_kernels.hpp"

namespace harmofl::winograd {

const Kernels avx2_kernels = kernels_of<Float32, Rows<Float32>>();

}  // namespace harmofl::winograd
#endif
