// SPDX-License-Identifier: Apache-2.0
/// Private to src/data: random shares, and how many samples a share is.
#pragma once

#include "harmofl/base/rng.hpp"

#include <cstdint>
#include <vector>

namespace harmofl {

/// Draws from the symmetric Dirichlet distribution with concentration `alpha` above 0: `count`
/// numbers that are not negative and sum to 1.
std::vector<double> draw_dirichlet(std::int64_t count, double alpha, RngStream& stream);

/// Divides `total` samples by `shares` (which sum to 1): the sums of the first k counts are those
/// of the first k shares times `total`, rounded to nearest, so that no count is off by more than 1.
std::vector<std::int64_t> divide(std::int64_t total, const std::vector<double>& shares);

/// Divides `total` samples evenly over `count`: the results differ by at most one.
std::vector<std::int64_t> divide_evenly(std::int64_t total, std::int64_t count);

}  // namespace harmofl
