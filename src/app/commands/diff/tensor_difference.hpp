// SPDX-License-Identifier: Apache-2.0
/// By how much tensors differ.
#pragma once

#include "harmofl/io/named_tensor.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace harmofl {

/// How a tensor differs from another of the same name. Elements differ where their bits do, as -0
/// and 0; what is said of sizes is over those of which both are finite.
struct TensorDifference {
  std::string name = {};
  std::vector<std::int64_t> shape = {};
  std::int64_t elements = 0;
  std::int64_t differing = 0;
  double largest = 0.0;           ///< Largest |a - b|.
  double largest_relative = 0.0;  ///< Largest |a - b| / max(|a|, |b|).
  std::int64_t largest_ulps = 0;  ///< Most float32 numbers from the one to the other.
  std::int64_t not_finite = 0;    ///< Number of differing elements with NaN or infinity in either.
  std::int64_t first = -1;        ///< Row-major index of the first element that differs.
  float first_a = 0.0F, first_b = 0.0F;  ///< Values there.
};

/// How two tensors of one shape differ; nothing where all bits are the same.
std::optional<TensorDifference> difference_of(const NamedTensor& a, const NamedTensor& b);

/// What differs between two groups of tensors.
struct GroupDifference {
  std::string group = {};                             ///< "model", "server", "clients/site_1".
  std::int64_t tensors = 0;                           ///< Number that both have.
  std::vector<TensorDifference> differing = {};       ///< In the order of the group.
  std::vector<std::string> only_a = {}, only_b = {};  ///< Names, with shapes, of one alone.

  bool empty() const { return differing.empty() && only_a.empty() && only_b.empty(); }
};

/// A tensor of another shape counts as another tensor.
GroupDifference difference_of(const std::string& group, const std::vector<NamedTensor>& a,
                              const std::vector<NamedTensor>& b);

}  // namespace harmofl
