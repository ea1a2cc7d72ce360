// SPDX-License-Identifier: Apache-2.0
#include "io/tensor_elements.hpp"

#include "harmofl/base/error.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace harmofl {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are read as they lie in files");

/// Calls `convert(element)` for every element of type Stored.
template <class Stored, class Convert>
void convert_each(std::span<const std::byte> bytes, std::span<float> values,
                  const Convert& convert) {
  HARMOFL_EXPECT(bytes.size() == values.size() * sizeof(Stored));
  for (std::size_t i = 0; i < values.size(); ++i) {
    Stored element;
    std::memcpy(&element, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    values[i] = convert(element);
  }
}

template <class Stored>
void cast_each(std::span<const std::byte> bytes, std::span<float> values) {
  convert_each<Stored>(bytes, values, [](Stored x) { return static_cast<float>(x); });
}

/// IEEE 754-2008, 3.4: binary16 has 1 bit of sign, 5 of exponent (bias 15) and 10 of fraction.
float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1Fu;
  const std::uint32_t fraction = half & 0x3FFu;
  if (exponent == 0) {  // zero or subnormal: fraction * 2^-24, which binary32 holds exactly
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }
  const std::uint32_t biased = exponent == 31 ? 255 : exponent - 15 + 127;  // 31: infinity or NaN
  return std::bit_cast<float>(sign | biased << 23 | fraction << 13);
}

float bfloat_to_float(std::uint16_t upper) {
  return std::bit_cast<float>(std::uint32_t{upper} << 16);
}

}  // namespace

std::size_t size_bytes(ElementType type) {
  switch (type) {
    case ElementType::float64:
    case ElementType::int64:
      return 8;
    case ElementType::float32:
    case ElementType::int32:
      return 4;
    case ElementType::float16:
    case ElementType::bfloat16:
    case ElementType::int16:
      return 2;
    case ElementType::int8:
    case ElementType::uint8:
    case ElementType::boolean:
      return 1;
  }
  return 0;
}

void convert_to_float32(ElementType type, std::span<const std::byte> bytes,
                        std::span<float> values) {
  HARMOFL_EXPECT(bytes.size() == values.size() * size_bytes(type));
  switch (type) {
    case ElementType::float64:
      return cast_each<double>(bytes, values);
    case ElementType::float32:  // copied, because a NaN on its way through a register may change
      if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
      return;
    case ElementType::float16:
      return convert_each<std::uint16_t>(bytes, values, half_to_float);
    case ElementType::bfloat16:
      return convert_each<std::uint16_t>(bytes, values, bfloat_to_float);
    case ElementType::int64:
      return cast_each<std::int64_t>(bytes, values);
    case ElementType::int32:
      return cast_each<std::int32_t>(bytes, values);
    case ElementType::int16:
      return cast_each<std::int16_t>(bytes, values);
    case ElementType::int8:
      return cast_each<std::int8_t>(bytes, values);
    case ElementType::uint8:
      return cast_each<std::uint8_t>(bytes, values);
    case ElementType::boolean:
      return convert_each<std::uint8_t>(bytes, values,
                                        [](std::uint8_t x) { return x == 0 ? 0.0f : 1.0f; });
  }
}

std::optional<std::int64_t> element_count(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size < 0) return {};
    if (size != 0 && count > std::numeric_limits<std::int64_t>::max() / size) return {};
    count *= size;
  }
  return count;
}

bool is_counter(const std::string& name) { return name.ends_with("num_batches_tracked"); }

std::vector<std::int64_t> counter_values(const NamedTensor& tensor, const std::string& file) {
  std::vector<std::int64_t> counts;
  for (const float value : tensor.values) {
    HARMOFL_VALIDATE(std::abs(value) < 0x1p63f, file, ": tensor '", tensor.name,
                     "': expected a count, found ", value,
                     ". Its run diverged; export another checkpoint.");
    counts.push_back(std::llround(value));
  }
  return counts;
}

}  // namespace harmofl
