// SPDX-License-Identifier: Apache-2.0
#include "io/hdf5/hdf5_filters.hpp"

#include <zlib.h>

#include <algorithm>

namespace harmofl::hdf5 {
namespace {

constexpr std::uint32_t modulus = 65535;
/// Words of 16 bits whose sums, the second one too, stay below 2^32.
constexpr std::size_t block_words = 360;

/// Sums of a block: of its words, and of each word as often as there are words from it to the end.
struct Sums {
  std::uint32_t plain = 0;
  std::uint32_t weighted = 0;
};

Sums sums_of(const std::byte* bytes, std::uint32_t words) {
  Sums sums;
  for (std::uint32_t i = 0; i < words; ++i) {
    const std::uint32_t word = std::to_integer<std::uint32_t>(bytes[2 * i]) << 8 |
                               std::to_integer<std::uint32_t>(bytes[2 * i + 1]);
    sums.plain += word;
    sums.weighted += (words - i) * word;
  }
  return sums;
}

std::uint32_t stored_sum(std::span<const std::byte> four) {
  std::uint32_t value = 0;
  for (std::size_t i = four.size(); i-- > 0;) {
    value = value << 8 | std::to_integer<std::uint32_t>(four[i]);
  }
  return value;
}

}  // namespace

// HDF5 adds up word by word and takes the remainder so that 65535 stands for 0, unless all is 0;
// the remainders are compared here.
bool fletcher32_holds(std::span<const std::byte> chunk) {
  if (chunk.size() < fletcher32_bytes) return false;
  const auto content = chunk.first(chunk.size() - fletcher32_bytes);
  std::uint64_t first = 0, second = 0;
  const auto add = [&](const Sums& sums, std::uint64_t words) {
    second = (second + first * words + sums.weighted) % modulus;
    first = (first + sums.plain) % modulus;
  };
  const std::size_t words = content.size() / 2;
  for (std::size_t done = 0; done < words; done += block_words) {
    const std::size_t count = std::min(block_words, words - done);
    add(sums_of(content.data() + 2 * done, static_cast<std::uint32_t>(count)), count);
  }
  if (content.size() % 2 == 1) {
    const std::uint32_t last = std::to_integer<std::uint32_t>(content.back()) << 8;
    add({last, last}, 1);
  }
  const std::uint32_t stored = stored_sum(chunk.last(fletcher32_bytes));
  return (stored & 0xFFFF) % modulus == first && (stored >> 16) % modulus == second;
}

bool inflate_chunk(std::span<const std::byte> chunk, std::span<std::byte> out) {
  auto size = static_cast<uLongf>(out.size());
  const int result =
      uncompress(reinterpret_cast<Bytef*>(out.data()), &size,
                 reinterpret_cast<const Bytef*>(chunk.data()), static_cast<uLong>(chunk.size()));
  return result == Z_OK && size == out.size();
}

void unshuffle(std::span<const std::byte> chunk, std::size_t element_bytes,
               std::span<std::byte> out) {
  const std::size_t elements = chunk.size() / element_bytes;
  for (std::size_t byte = 0; byte < element_bytes; ++byte) {
    for (std::size_t i = 0; i < elements; ++i) {
      out[i * element_bytes + byte] = chunk[byte * elements + i];
    }
  }
  const std::size_t whole = elements * element_bytes;
  std::copy(chunk.begin() + static_cast<std::ptrdiff_t>(whole), chunk.end(),
            out.begin() + static_cast<std::ptrdiff_t>(whole));
}

}  // namespace harmofl::hdf5
