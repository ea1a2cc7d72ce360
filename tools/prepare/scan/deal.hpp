// SPDX-License-Identifier: Apache-2.0
/// Deals patients, each of them whole, into train, val and test.
#pragma once

#include "harmofl/base/rng.hpp"
#include "harmofl/io/shard.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace harmofl::prepare {

/// What is never divided, a patient: its number of images of each class. All units have as many
/// classes.
using ClassCounts = std::vector<std::int64_t>;

/// How far the splits are from `percent`: K times the sum of (share of the images that a split got
/// - share asked)^2 over the splits, plus the same sum for the images of each of K classes, so that
/// all images weigh as much as all classes together. Shares are in millionths, rounded towards 0. A
/// split that nothing is asked for must get nothing.
std::int64_t imbalance(const std::vector<ClassCounts>& units, const std::vector<Split>& splits,
                       const std::array<int, 3>& percent);

/// Chooses the split of each unit so that `imbalance` is small; from 3 units on no split with a
/// percentage above 0 stays empty.
///
/// Starts from several orders of the units, the first by size and all others drawn from `random`:
/// one unit after the other goes where it leaves the least imbalance; then single units move, and
/// pairs change places, as long as that helps. The best of all is taken, the first of equals.
std::vector<Split> deal_whole(const std::vector<ClassCounts>& units,
                              const std::array<int, 3>& percent, RngStream& random);

}  // namespace harmofl::prepare
