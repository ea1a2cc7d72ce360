// SPDX-License-Identifier: Apache-2.0
/// Images of the slices of a volume, as `harmofl-prepare prostate` and `harmofl predict` see it.
#pragma once

#include "prepare/decode/nifti.hpp"
#include "prepare/pixels/image.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace harmofl::prepare {

/// The value below which 99 % of `values` lie, between two of them in proportion: numpy's "linear".
double percentile_99(std::vector<double> values);

/// Values of a volume as 0..255: cut off at its 99th percentile, (v - low) / (high - low) * 255 in
/// double precision, rounded towards 0. Throws UserError, naming `file`, when all are equal.
std::vector<std::uint8_t> to_bytes(const Volume& volume, const std::filesystem::path& file);

/// A byte a voxel of a volume in RAS.
struct ByteVolume {
  std::array<std::int64_t, 3> size{};  ///< To the right, the front and the top.
  std::vector<std::uint8_t> values{};  ///< Those to the right first.

  /// Of the image of a slice.
  Size slice_size() const { return {size[1], size[0]}; }

  /// Where the pixel of a slice's image lies in `values`: rows run from front to back, columns from
  /// the patient's right to the left.
  std::size_t place(std::int64_t k, std::int64_t row, std::int64_t column) const {
    return static_cast<std::size_t>((k * size[1] + size[1] - 1 - row) * size[0] + size[0] - 1 -
                                    column);
  }
};

/// `volume`, which is in RAS, by `to_bytes`.
ByteVolume to_byte_volume(const Volume& volume, const std::filesystem::path& file);

/// Slice k, counted from the bottom.
Image slice_of(const ByteVolume& volume, std::int64_t k);

/// Slice k with its neighbours as channels: below, itself, above. At the bottom and the top the
/// slice itself stands in for the neighbour that it lacks.
Image three_slices(const ByteVolume& volume, std::int64_t k);

}  // namespace harmofl::prepare
