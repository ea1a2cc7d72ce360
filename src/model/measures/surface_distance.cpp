// SPDX-License-Identifier: Apache-2.0
// Distances to the nearest border pixel are exact, in two passes (Felzenszwalb and Huttenlocher,
// "Distance transforms of sampled functions", Theory of Computing 8, 2012): along rows by counting,
// along columns by the lower envelope of parabolas. Borders lie within the box around both masks,
// so that nothing outside it is looked at.
#include "model/measures/surface_distance.hpp"

#include "harmofl/base/error.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

namespace harmofl {
namespace {

constexpr double nowhere = std::numeric_limits<double>::infinity();

/// Rows and columns from `top` and `left` to before `bottom` and `right`.
struct Box {
  std::int64_t top, left, bottom, right;

  std::int64_t rows() const { return bottom - top; }
  std::int64_t columns() const { return right - left; }
};

bool is_empty(std::span<const std::uint8_t> mask) {
  return std::ranges::all_of(mask, [](std::uint8_t pixel) { return pixel == 0; });
}

Box box_around(const MaskPair& masks) {
  Box box{masks.height, masks.width, 0, 0};
  for (std::int64_t y = 0; y < masks.height; ++y) {
    for (std::int64_t x = 0; x < masks.width; ++x) {
      const auto i = static_cast<std::size_t>(y * masks.width + x);
      if (masks.first[i] == 0 && masks.second[i] == 0) continue;
      box = {std::min(box.top, y), std::min(box.left, x), std::max(box.bottom, y + 1),
             std::max(box.right, x + 1)};
    }
  }
  return box;
}

/// The pixels of a mask with a neighbour above, below, left or right that is not in it, by their
/// position in the box, row-major.
std::vector<std::int64_t> border_of(std::span<const std::uint8_t> mask, const MaskPair& masks,
                                    const Box& box) {
  const auto inside = [&](std::int64_t y, std::int64_t x) {
    return y >= 0 && y < masks.height && x >= 0 && x < masks.width &&
           mask[static_cast<std::size_t>(y * masks.width + x)] != 0;
  };
  std::vector<std::int64_t> border;
  for (std::int64_t y = box.top; y < box.bottom; ++y) {
    for (std::int64_t x = box.left; x < box.right; ++x) {
      const bool surrounded =
          inside(y - 1, x) && inside(y + 1, x) && inside(y, x - 1) && inside(y, x + 1);
      if (!inside(y, x) || surrounded) continue;
      border.push_back((y - box.top) * box.columns() + x - box.left);
    }
  }
  return border;
}

/// Squared distances within each row of the box to its nearest pixel in `border`.
std::vector<double> along_rows(const std::vector<std::int64_t>& border, const Box& box,
                               double spacing) {
  const auto columns = static_cast<std::size_t>(box.columns());
  std::vector<double> squares(static_cast<std::size_t>(box.rows()) * columns, nowhere);
  for (const std::int64_t pixel : border) squares[static_cast<std::size_t>(pixel)] = 0.0;
  for (auto row = squares.begin(); row != squares.end(); row += box.columns()) {
    double steps = nowhere;
    for (std::size_t x = 0; x < columns; ++x) {
      double& value = row[static_cast<std::ptrdiff_t>(x)];
      steps = value == 0.0 ? 0.0 : steps + 1.0;
      value = steps;
    }
    steps = nowhere;
    for (std::size_t x = columns; x-- > 0;) {
      double& value = row[static_cast<std::ptrdiff_t>(x)];
      steps = value == 0.0 ? 0.0 : steps + 1.0;
      const double distance = std::min(value, steps) * spacing;
      value = distance * distance;
    }
  }
  return squares;
}

/// The lower envelope of the parabolas f(q) + (s (y - q))^2 over the rows q of one column.
class Envelope {
 public:
  Envelope(std::int64_t rows, double spacing) : square_(spacing * spacing) {
    const auto count = static_cast<std::size_t>(rows);
    lowest_.resize(count);
    from_.resize(count);
  }

  /// Replaces `column` by the envelope's values.
  void transform(std::vector<double>& column) {
    count_ = 0;
    for (std::size_t q = 0; q < column.size(); ++q) {
      if (column[q] < nowhere) add(column, q);
    }
    if (count_ == 0) return;
    values_ = column;
    std::size_t k = 0;
    for (std::size_t y = 0; y < column.size(); ++y) {
      while (k + 1 < count_ && from_[k + 1] < static_cast<double>(y)) ++k;
      const double step = static_cast<double>(y) - static_cast<double>(lowest_[k]);
      column[y] = values_[lowest_[k]] + step * step * square_;
    }
  }

 private:
  /// Adds the parabola of row q, which takes over from those that it undercuts.
  void add(const std::vector<double>& f, std::size_t q) {
    double begins = -nowhere;
    while (count_ > 0) {
      const std::size_t p = lowest_[count_ - 1];
      const auto a = static_cast<double>(p), b = static_cast<double>(q);
      // where f(q) + s^2 (y - q)^2 = f(p) + s^2 (y - p)^2
      begins = ((f[q] - f[p]) / square_ + b * b - a * a) / (2.0 * (b - a));
      if (begins > from_[count_ - 1]) break;
      --count_;
    }
    if (count_ == 0) begins = -nowhere;
    lowest_[count_] = q;
    from_[count_++] = begins;
  }

  double square_;
  std::vector<std::size_t> lowest_;  ///< Rows whose parabolas are lowest somewhere, ascending.
  std::vector<double> from_;         ///< Where each becomes the lowest.
  std::vector<double> values_;
  std::size_t count_ = 0;
};

/// The distance of each pixel in `from` to the nearest in `to`.
std::vector<double> directed(const std::vector<std::int64_t>& from,
                             const std::vector<std::int64_t>& to, const Box& box,
                             const Spacing& spacing) {
  std::vector<double> squares = along_rows(to, box, spacing[1]);
  Envelope envelope(box.rows(), spacing[0]);
  const auto columns = static_cast<std::size_t>(box.columns());
  std::vector<double> column(static_cast<std::size_t>(box.rows()));
  for (std::size_t x = 0; x < columns; ++x) {
    for (std::size_t y = 0; y < column.size(); ++y) column[y] = squares[y * columns + x];
    envelope.transform(column);
    for (std::size_t y = 0; y < column.size(); ++y) squares[y * columns + x] = column[y];
  }
  std::vector<double> distances;
  distances.reserve(from.size());
  for (const std::int64_t pixel : from) {
    distances.push_back(std::sqrt(squares[static_cast<std::size_t>(pixel)]));
  }
  return distances;
}

double mean_distance(const std::vector<double>& distances) {
  return std::accumulate(distances.begin(), distances.end(), 0.0) /
         static_cast<double>(distances.size());
}

/// The 95th percentile, interpolated linearly between the two nearest ranks.
double percentile_95(std::vector<double> values) {
  const double position = 0.95 * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::ptrdiff_t>(position);
  std::ranges::nth_element(values, values.begin() + below);
  const double lower = values[static_cast<std::size_t>(below)];
  if (below + 1 == std::ssize(values)) return lower;
  const double upper = *std::min_element(values.begin() + below + 1, values.end());
  return lower + (upper - lower) * (position - static_cast<double>(below));
}

}  // namespace

double image_diagonal(std::int64_t height, std::int64_t width, const Spacing& spacing) {
  return std::hypot(static_cast<double>(height - 1) * spacing[0],
                    static_cast<double>(width - 1) * spacing[1]);
}

SurfaceDistances surface_distances(const MaskPair& masks, const Spacing& spacing) {
  HARMOFL_EXPECT(masks.first.size() == masks.second.size());
  HARMOFL_EXPECT(std::ssize(masks.first) == masks.height * masks.width);
  const bool no_first = is_empty(masks.first), no_second = is_empty(masks.second);
  if (no_first && no_second) return {};
  if (no_first || no_second) {
    const double diagonal = image_diagonal(masks.height, masks.width, spacing);
    return {diagonal, diagonal};
  }
  const Box box = box_around(masks);
  const auto first = border_of(masks.first, masks, box);
  const auto second = border_of(masks.second, masks, box);
  std::vector<double> both = directed(first, second, box, spacing);
  const std::vector<double> back = directed(second, first, box, spacing);
  both.insert(both.end(), back.begin(), back.end());
  const double assd = mean_distance(both);
  return {percentile_95(std::move(both)), assd};
}

}  // namespace harmofl
