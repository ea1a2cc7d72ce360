// SPDX-License-Identifier: Apache-2.0
#include "prepare/resample.hpp"

#include "harmofl/base/error.hpp"

#include <algorithm>

namespace harmofl::prepare {
namespace {

/// How much of an old pixel lies in a new one, in units of 1/new extent of an old pixel; the shares
/// of one new pixel add up to the old extent.
struct Share {
  std::int64_t from;
  std::uint64_t weight;
};

/// Shares of every new pixel along one axis.
std::vector<std::vector<Share>> overlaps(std::int64_t before, std::int64_t after) {
  std::vector<std::vector<Share>> shares(static_cast<std::size_t>(after));
  for (std::int64_t to = 0; to < after; ++to) {
    const std::int64_t low = to * before;
    const std::int64_t high = low + before;
    for (std::int64_t from = low / after; from * after < high; ++from) {
      const std::int64_t covered = std::min(high, (from + 1) * after) - std::max(low, from * after);
      shares[static_cast<std::size_t>(to)].push_back({from, static_cast<std::uint64_t>(covered)});
    }
  }
  return shares;
}

/// Rounds sum / area to the nearest whole number, halves up.
std::uint8_t rounded(std::uint64_t sum, std::uint64_t area) {
  return static_cast<std::uint8_t>((2 * sum + area) / (2 * area));
}

/// Resamples one channel: along the rows, then along the columns.
void resample_channel(const std::uint8_t* in, Size before, std::uint8_t* out, Size after) {
  const auto columns = overlaps(before.width, after.width);
  const auto rows = overlaps(before.height, after.height);
  std::vector<std::uint64_t> wide(static_cast<std::size_t>(before.height * after.width), 0);
  for (std::int64_t y = 0; y < before.height; ++y) {
    for (std::int64_t x = 0; x < after.width; ++x) {
      std::uint64_t& sum = wide[static_cast<std::size_t>(y * after.width + x)];
      for (const Share& share : columns[static_cast<std::size_t>(x)]) {
        sum += share.weight * in[y * before.width + share.from];
      }
    }
  }
  const auto area = static_cast<std::uint64_t>(before.height * before.width);
  std::vector<std::uint64_t> line(static_cast<std::size_t>(after.width));
  for (std::int64_t y = 0; y < after.height; ++y) {
    std::fill(line.begin(), line.end(), 0);
    for (const Share& share : rows[static_cast<std::size_t>(y)]) {
      const std::uint64_t* source = wide.data() + share.from * after.width;
      for (std::size_t x = 0; x < line.size(); ++x) line[x] += share.weight * source[x];
    }
    for (std::size_t x = 0; x < line.size(); ++x) *out++ = rounded(line[x], area);
  }
}

}  // namespace

Image resample(const Image& image, Size size) {
  if (image.size == size) return image;
  Image result{image.channels, size, {}};
  result.values.resize(static_cast<std::size_t>(image.channels * size.height * size.width));
  for (std::int64_t c = 0; c < image.channels; ++c) {
    resample_channel(image.values.data() + c * image.size.height * image.size.width, image.size,
                     result.values.data() + c * size.height * size.width, size);
  }
  return result;
}

// The mean of zeros and ones, rounded to nearest with halves up, is 1 from a half on.
Image resample_mask(const Image& mask, Size size) { return resample(mask, size); }

std::vector<std::int64_t> tile_starts(std::int64_t extent, std::int64_t tile) {
  HARMOFL_EXPECT(tile > 0 && extent >= tile);
  std::vector<std::int64_t> starts;
  for (std::int64_t start = 0; start < extent; start += tile) {
    starts.push_back(std::min(start, extent - tile));
  }
  return starts;
}

Image crop(const Image& image, std::int64_t top, std::int64_t left, Size size) {
  HARMOFL_EXPECT(top >= 0 && top + size.height <= image.size.height);
  HARMOFL_EXPECT(left >= 0 && left + size.width <= image.size.width);
  Image part{image.channels, size, {}};
  part.values.reserve(static_cast<std::size_t>(image.channels * size.height * size.width));
  for (std::int64_t c = 0; c < image.channels; ++c) {
    for (std::int64_t y = 0; y < size.height; ++y) {
      const auto row =
          image.values.begin() + ((c * image.size.height + top + y) * image.size.width + left);
      part.values.insert(part.values.end(), row, row + size.width);
    }
  }
  return part;
}

}  // namespace harmofl::prepare
