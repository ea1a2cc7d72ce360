// SPDX-License-Identifier: Apache-2.0
#include "io/formats/npy_writer.hpp"

#include "harmofl/base/error.hpp"
#include "io/tensor_elements.hpp"

#include <bit>
#include <string_view>

namespace harmofl {

std::string npy_bytes(std::span<const float> values, const std::vector<std::int64_t>& shape) {
  static_assert(std::endian::native == std::endian::little);
  HARMOFL_EXPECT(element_count(shape) == std::ssize(values));
  std::string sizes;
  for (const std::int64_t size : shape) sizes += concat(size, ", ");
  std::string header = concat("{'descr': '<f4', 'fortran_order': False, 'shape': (", sizes, "), }");
  constexpr std::string_view magic("\x93NUMPY\x01\x00", 8);
  constexpr std::size_t length_bytes = 2, alignment = 64;
  const std::size_t before = magic.size() + length_bytes;
  while ((before + header.size() + 1) % alignment != 0) header += ' ';  // so that data are aligned
  header += '\n';
  std::string bytes(magic);
  bytes += static_cast<char>(header.size() & 0xFFU);
  bytes += static_cast<char>(header.size() >> 8);
  bytes += header;
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  return bytes;
}

}  // namespace harmofl
