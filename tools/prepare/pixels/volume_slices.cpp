// SPDX-License-Identifier: Apache-2.0
#include "prepare/pixels/volume_slices.hpp"

#include "harmofl/base/error.hpp"

#include <algorithm>

namespace harmofl::prepare {
namespace {

/// Copies slice k: rows from front to back, columns from right to left.
void copy_slice(const ByteVolume& volume, std::int64_t k, std::uint8_t* to) {
  for (std::int64_t row = 0; row < volume.size[1]; ++row) {
    for (std::int64_t column = 0; column < volume.size[0]; ++column) {
      *to++ = volume.values[volume.place(k, row, column)];
    }
  }
}

}  // namespace

double percentile_99(std::vector<double> values) {
  HARMOFL_EXPECT(!values.empty());
  const double place = static_cast<double>(values.size() - 1) * 0.99;
  const auto below = static_cast<std::size_t>(place);
  const double part = place - static_cast<double>(below);
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(values.begin(), middle, values.end());
  const double low = *middle;
  if (below + 1 == values.size()) return low;
  const double high = *std::min_element(middle + 1, values.end());
  const double step = high - low;
  // From the nearer of the two, so that the result lies between them and grows with `part`.
  return part < 0.5 ? low + step * part : high - step * (1.0 - part);
}

std::vector<std::uint8_t> to_bytes(const Volume& volume, const std::filesystem::path& file) {
  const double high = percentile_99(volume.values);
  const double low = *std::ranges::min_element(volume.values);
  HARMOFL_VALIDATE(high > low, file.string(), ": 99 % of its values are equal (", low,
                   "): there is nothing to see. Replace the volume.");
  std::vector<std::uint8_t> bytes;
  bytes.reserve(volume.values.size());
  for (const double value : volume.values) {
    const double share = (std::min(value, high) - low) / (high - low);
    bytes.push_back(static_cast<std::uint8_t>(share * 255.0));
  }
  return bytes;
}

ByteVolume to_byte_volume(const Volume& volume, const std::filesystem::path& file) {
  return {volume.size, to_bytes(volume, file)};
}

Image slice_of(const ByteVolume& volume, std::int64_t k) {
  const Size size = volume.slice_size();
  Image image{1, size,
              std::vector<std::uint8_t>(static_cast<std::size_t>(size.height * size.width))};
  copy_slice(volume, k, image.values.data());
  return image;
}

Image three_slices(const ByteVolume& volume, std::int64_t k) {
  const Size size = volume.slice_size();
  const auto pixels = static_cast<std::size_t>(size.height * size.width);
  Image image{3, size, std::vector<std::uint8_t>(3 * pixels)};
  for (std::int64_t c = 0; c < 3; ++c) {
    const std::int64_t neighbour = std::clamp(k - 1 + c, std::int64_t{0}, volume.size[2] - 1);
    copy_slice(volume, neighbour, image.values.data() + static_cast<std::size_t>(c) * pixels);
  }
  return image;
}

}  // namespace harmofl::prepare
