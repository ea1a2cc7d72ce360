// SPDX-License-Identifier: Apache-2.0
/// partition.csv: which client holds which image, saved with a run.
#pragma once

#include "harmofl/data/partition.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace harmofl {

/// The partition as CSV (RFC 4180): columns client,split,site,id; a line a sample, in the order of
/// clients, splits and samples.
std::string partition_text(const Partition& partition, const std::vector<ShardIndex>& shards);

/// Reads `text` back. Throws UserError, with `name` (of the file) and line, for text that is not
/// such a table, and when it does not hold every sample of `shards` exactly once.
Partition parse_partition(const std::string& text, const std::vector<ShardIndex>& shards,
                          const std::filesystem::path& name);

/// Throws UserError, with the first difference, unless the file `path` holds `expected`, as
/// `partition_text` gives it: a run that goes on must deal its images as it did before.
void check_partition_file(const std::filesystem::path& path, const std::string& expected);

}  // namespace harmofl
