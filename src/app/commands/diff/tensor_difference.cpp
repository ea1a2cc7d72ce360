// SPDX-License-Identifier: Apache-2.0
#include "app/commands/diff/tensor_difference.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/text.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

namespace harmofl {
namespace {

/// The position of a finite float among all, neighbours 1 apart; -0 and 0 both at 0.
std::int64_t position_of(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto size = static_cast<std::int64_t>(bits & 0x7FFFFFFFU);
  return (bits >> 31U) != 0 ? -size : size;
}

void take_in(TensorDifference& found, float a, float b) {
  if (!std::isfinite(a) || !std::isfinite(b)) {
    ++found.not_finite;
    return;
  }
  const double distance = std::abs(double{a} - double{b});
  const double size = std::max(std::abs(double{a}), std::abs(double{b}));
  found.largest = std::max(found.largest, distance);
  if (size > 0.0) found.largest_relative = std::max(found.largest_relative, distance / size);
  found.largest_ulps = std::max(found.largest_ulps, std::abs(position_of(a) - position_of(b)));
}

std::string shaped_name(const NamedTensor& tensor) {
  std::vector<std::string> axes;
  for (const std::int64_t axis : tensor.shape) axes.push_back(concat(axis));
  return concat(tensor.name, " [", join(axes), "]");
}

}  // namespace

std::optional<TensorDifference> difference_of(const NamedTensor& a, const NamedTensor& b) {
  HARMOFL_EXPECT(a.shape == b.shape && a.values.size() == b.values.size());
  TensorDifference found{.name = a.name, .shape = a.shape, .elements = std::ssize(a.values)};
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const float left = a.values[i], right = b.values[i];
    if (std::bit_cast<std::uint32_t>(left) == std::bit_cast<std::uint32_t>(right)) continue;
    if (found.differing++ == 0) {
      found.first = static_cast<std::int64_t>(i);
      found.first_a = left;
      found.first_b = right;
    }
    take_in(found, left, right);
  }
  if (found.differing == 0) return std::nullopt;
  return found;
}

GroupDifference difference_of(const std::string& group, const std::vector<NamedTensor>& a,
                              const std::vector<NamedTensor>& b) {
  GroupDifference found{.group = group};
  std::map<std::string, const NamedTensor*> others;
  for (const NamedTensor& tensor : b) others[shaped_name(tensor)] = &tensor;
  for (const NamedTensor& tensor : a) {
    const auto other = others.find(shaped_name(tensor));
    if (other == others.end()) {
      found.only_a.push_back(shaped_name(tensor));
      continue;
    }
    ++found.tensors;
    if (auto difference = difference_of(tensor, *other->second)) {
      found.differing.push_back(std::move(*difference));
    }
    others.erase(other);
  }
  for (const NamedTensor& tensor : b) {
    if (others.contains(shaped_name(tensor))) found.only_b.push_back(shaped_name(tensor));
  }
  return found;
}

}  // namespace harmofl
