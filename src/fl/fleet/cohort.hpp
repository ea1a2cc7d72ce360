// SPDX-License-Identifier: Apache-2.0
/// Who is invited to a round.
///
/// Every client draws a key of its own for the round, and the smallest keys are invited. So a
/// cohort depends on seed, round and who is available, not on earlier rounds and not on ranks.
#pragma once

#include "harmofl/base/ids.hpp"

#include <cstdint>
#include <vector>

namespace harmofl {

/// How a cohort is drawn, `cohort.sampling`. Always without replacement.
enum class Sampling {
  uniform,   ///< Every available client alike.
  weighted,  ///< One after the other, each in proportion to the training samples of those left.
  fixed,     ///< The uniform cohort of round 0 in every round, less who is not available.
};

struct CohortOptions {
  std::int64_t size = 0;  ///< Clients whose updates are wanted, `cohort.size`; 0 is all.
  Sampling sampling = Sampling::uniform;
  double over_sampling = 1.0;  ///< Invited for each one that is wanted, `cohort.over_sampling`.
};

/// Throws UserError, naming key and value, unless `options` suit a federation of `clients`.
void check(const CohortOptions& options, std::int64_t clients);

/// Number of updates wanted from `clients` clients: the size, or all.
std::int64_t wanted_count(const CohortOptions& options, std::int64_t clients);

/// Number of clients that are invited when all `clients` are available:
/// ceil(wanted x over_sampling), at most all.
std::int64_t invited_count(const CohortOptions& options, std::int64_t clients);

/// The clients that are invited to `round`, ascending: `invited_count` of the `available` ones
/// (ascending), or all of them when there are fewer. `samples[i]` are the training samples of
/// client i; clients without any come last in a weighted cohort.
std::vector<ClientId> sample_cohort(const CohortOptions& options,
                                    const std::vector<std::int64_t>& samples,
                                    const std::vector<ClientId>& available, std::uint64_t seed,
                                    RoundId round);

}  // namespace harmofl
