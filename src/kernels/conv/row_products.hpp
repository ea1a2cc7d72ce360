// SPDX-License-Identifier: Apache-2.0
/// Products of matrices that are tall and narrow: 1x1 convolutions of channels-last images,
/// float32.
///
/// The tall matrix is read where it lies, as a slice of wider rows if need be; the small one is
/// packed. Every sum has one order, whatever the number of threads.
#pragma once

#include "kernels/rows.hpp"

#include <cstdint>

namespace harmofl::kernels {

/// b(k, n) = data[k row + n column].
struct SmallMatrix {
  const float* data;
  std::int64_t row, column;
};

/// out [P, N] = a [P, K] b [K, N]; added to what is there if `add`.
void multiply(Rows<const float> a, SmallMatrix b, Rows<float> out, bool add);

/// out [M, N] += a' b for a [P, M] and b [P, N].
void add_transposed_product(Rows<const float> a, Rows<const float> b, Rows<float> out);

}  // namespace harmofl::kernels
