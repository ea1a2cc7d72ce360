// SPDX-License-Identifier: Apache-2.0
/// Divides the images of a site into train, val and test.
#pragma once

#include "harmofl/base/ids.hpp"
#include "prepare/scan/scan.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace harmofl::prepare {

/// Divides `count` by percentages: val and test rounded to nearest (halves up), train the rest.
/// From 3 on, every split with a percentage above 0 gets at least one, taken from the largest.
std::array<std::int64_t, 3> split_counts(std::int64_t count, const std::array<int, 3>& percent);

/// Chooses the split of every sample, in the order of `samples` (sorted by id).
///
/// Samples of one patient stay together, and whole patients are dealt so that the shares of the
/// samples and of each class come near the percentages (deal.hpp); where nobody is named the
/// percentages are met as `split_counts` says. Splits that the list sets stay as they are, and the
/// percentages hold for what is left. The draw depends only on the seed, on the site's position in
/// the sorted list of sites, and on names, patients and labels of its samples. Throws UserError
/// when the list puts one patient into two splits.
std::vector<Split> draw_splits(const std::vector<Sample>& samples,
                               const std::array<int, 3>& percent, std::uint64_t seed,
                               ClientId site);

}  // namespace harmofl::prepare
