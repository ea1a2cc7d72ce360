// SPDX-License-Identifier: Apache-2.0
/// Descriptions of shards that are in no file, for the tests of partitions.
#pragma once

#include "harmofl/base/text.hpp"
#include "harmofl/data/partition.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace harmofl::test {

/// A shard with `counts` samples in its splits, ids "<site>_<split><row>", 3 samples a patient, and
/// for classification the labels 0, 1, 2 in turn.
inline ShardIndex index_of(const std::string& site, Task task,
                           const std::array<std::int64_t, 3>& counts, std::int64_t classes = 3) {
  ShardIndex index;
  index.path = site + ".h5";
  index.info.site = site;
  index.info.task = task;
  for (const Split split : all_splits) {
    SplitIndex& samples = index.splits[static_cast<std::size_t>(split)];
    samples.checksum = concat("sum of ", site, to_string(split));
    for (std::int64_t row = 0; row < counts[static_cast<std::size_t>(split)]; ++row) {
      samples.ids.push_back(concat(site, "_", to_string(split), row));
      samples.groups.push_back(concat(to_string(split), "_patient", row / 3));
      if (task == Task::classification) samples.labels.push_back(row % classes);
    }
  }
  return index;
}

/// A shard of `count` training samples with the labels 0 to classes - 1 in turn.
inline ShardIndex classified(const std::string& site, std::int64_t count, std::int64_t classes) {
  return index_of(site, Task::classification, {count, 0, 0}, classes);
}

}  // namespace harmofl::test
