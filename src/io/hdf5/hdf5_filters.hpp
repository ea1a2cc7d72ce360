// SPDX-License-Identifier: Apache-2.0
/// Private to src/io/hdf5: HDF5's filters, undone without HDF5 (H5Z in its documentation).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace harmofl::hdf5 {

/// Bytes of the checksum at the end of a chunk.
inline constexpr std::size_t fletcher32_bytes = 4;

/// Whether the checksum in the last four bytes of `chunk` is that of those before: Fletcher's of
/// 16-bit words, high byte first, an odd last byte as the high one of a word.
bool fletcher32_holds(std::span<const std::byte> chunk);

/// Undoes `deflate`. Returns false unless `out` is exactly what `chunk` was made of.
bool inflate_chunk(std::span<const std::byte> chunk, std::span<std::byte> out);

/// Undoes `shuffle`, which puts the first bytes of all elements before their second ones and so on;
/// what is left of an element at the end stays as it is. `out` is as large as `chunk`.
void unshuffle(std::span<const std::byte> chunk, std::size_t element_bytes,
               std::span<std::byte> out);

}  // namespace harmofl::hdf5
