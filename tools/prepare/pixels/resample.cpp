// SPDX-License-Identifier: Apache-2.0
#include "prepare/pixels/resample.hpp"

#include "harmofl/base/error.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

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

/// Sums of a channel's rows along the columns of the new size. Two rows are kept: a new row needs
/// each old one once, and shares the first and last one with its neighbours.
class WideRows {
 public:
  WideRows(const std::uint8_t* in, Size before, std::int64_t width)
      : in_(in), width_(before.width), shares_(overlaps(before.width, width)) {
    for (auto& row : rows_) row.resize(static_cast<std::size_t>(width));
  }

  const std::vector<std::uint64_t>& row(std::int64_t y) {
    const auto slot = static_cast<std::size_t>(y % 2);
    if (held_[slot] != y) fill(y, rows_[slot]);
    held_[slot] = y;
    return rows_[slot];
  }

 private:
  void fill(std::int64_t y, std::vector<std::uint64_t>& row) const {
    for (std::size_t x = 0; x < row.size(); ++x) {
      std::uint64_t sum = 0;
      for (const Share& share : shares_[x]) sum += share.weight * in_[y * width_ + share.from];
      row[x] = sum;
    }
  }

  const std::uint8_t* in_;
  std::int64_t width_;
  std::vector<std::vector<Share>> shares_;
  std::array<std::vector<std::uint64_t>, 2> rows_;
  std::array<std::int64_t, 2> held_{-1, -1};
};

/// Resamples one channel: along the rows, then along the columns.
void resample_channel(const std::uint8_t* in, Size before, std::uint8_t* out, Size after) {
  const auto rows = overlaps(before.height, after.height);
  WideRows wide(in, before, after.width);
  const auto area = static_cast<std::uint64_t>(before.height * before.width);
  std::vector<std::uint64_t> line(static_cast<std::size_t>(after.width));
  for (std::int64_t y = 0; y < after.height; ++y) {
    std::fill(line.begin(), line.end(), 0);
    for (const Share& share : rows[static_cast<std::size_t>(y)]) {
      const std::vector<std::uint64_t>& source = wide.row(share.from);
      for (std::size_t x = 0; x < line.size(); ++x) line[x] += share.weight * source[x];
    }
    for (std::size_t x = 0; x < line.size(); ++x) *out++ = rounded(line[x], area);
  }
}

/// The area that each number covers of one new pixel.
template <class Number>
class Areas {
 public:
  void add(Number number, std::uint64_t area) {
    if (areas_[number] == 0) seen_.push_back(number);
    areas_[number] += area;
  }
  /// The number that covers most, of equals the largest; forgets all.
  Number take_largest() {
    Number best = seen_.front();
    for (const Number number : seen_) {
      if (std::pair(areas_[number], number) > std::pair(areas_[best], best)) best = number;
    }
    for (const Number number : seen_) areas_[number] = 0;
    seen_.clear();
    return best;
  }

 private:
  std::vector<std::uint64_t> areas_ =
      std::vector<std::uint64_t>(std::size_t{std::numeric_limits<Number>::max()} + 1);
  std::vector<Number> seen_;
};

template <class Number>
std::vector<Number> resample_by_area(const std::vector<Number>& numbers, Size before, Size after) {
  if (before == after) return numbers;
  const auto rows = overlaps(before.height, after.height);
  const auto columns = overlaps(before.width, after.width);
  std::vector<Number> result;
  result.reserve(static_cast<std::size_t>(after.height * after.width));
  Areas<Number> areas;
  for (const std::vector<Share>& row : rows) {
    for (const std::vector<Share>& column : columns) {
      for (const Share& y : row) {
        const Number* line = numbers.data() + y.from * before.width;
        for (const Share& x : column) areas.add(line[x.from], y.weight * x.weight);
      }
      result.push_back(areas.take_largest());
    }
  }
  return result;
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

Image resample_mask(const Image& mask, Size size) {
  return {1, size, resample_by_area(mask.values, mask.size, size)};
}

std::vector<std::uint16_t> resample_numbers(const std::vector<std::uint16_t>& numbers, Size before,
                                            Size after) {
  return resample_by_area(numbers, before, after);
}

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
