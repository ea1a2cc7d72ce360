// SPDX-License-Identifier: Apache-2.0
/// Single samples for other programs: `per_sample.csv`.
#pragma once

#include "fl/clients/federation.hpp"
#include "fl/local/evaluation.hpp"
#include "harmofl/io/shard_pool.hpp"

#include <functional>
#include <string>
#include <vector>

namespace harmofl {

/// The ids of the samples of one split of a client or site, in the order of its part.
using SampleNames = std::function<std::vector<std::string>(const Member&, Split)>;

/// The same, read from the headers of the shards.
std::vector<std::string> sample_ids(const Member& member, Split split, ShardPool& shards);

/// A line a sample of the scores that have them: site, split, id, and what sample_table.hpp has of
/// it, after a line with the names of the columns. The same for the same scores, in their order.
std::string sample_rows(const std::vector<Score>& scores, const Federation& federation,
                        const MeasureOptions& measures, const SampleNames& names);

}  // namespace harmofl
