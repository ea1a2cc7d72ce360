// SPDX-License-Identifier: Apache-2.0
/// Elements of tensors as files of other programs hold them, and as this project does: float32.
#pragma once

#include "harmofl/io/named_tensor.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace harmofl {

/// What an element of a stored tensor is; all of them little endian, two's complement.
enum class ElementType {
  float64,
  float32,
  float16,   ///< IEEE 754 binary16.
  bfloat16,  ///< The upper half of a binary32.
  int64,
  int32,
  int16,
  int8,
  uint8,
  boolean,  ///< One byte, 0 or not.
};

/// Size of one element, in bytes.
std::size_t size_bytes(ElementType type);

/// Rounds stored elements to float32, nearest even; float32 keeps its bits. `bytes` holds
/// `values.size()` elements, anywhere in memory.
void convert_to_float32(ElementType type, std::span<const std::byte> bytes,
                        std::span<float> values);

/// Product of `shape` (1 for a scalar), or nothing when it does not fit into int64 or an axis is
/// negative.
std::optional<std::int64_t> element_count(const std::vector<std::int64_t>& shape);

/// Whether other programs hold the tensor `name` as int64: PyTorch's count of a normalisation's
/// batches, `num_batches_tracked`.
bool is_counter(const std::string& name);

/// The values of a tensor that `is_counter`, rounded: the average of clients' counts may lie
/// between whole numbers. Throws UserError, naming `file`, for values that int64 cannot hold.
std::vector<std::int64_t> counter_values(const NamedTensor& tensor, const std::string& file);

}  // namespace harmofl
