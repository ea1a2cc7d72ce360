// SPDX-License-Identifier: Apache-2.0
#include "base/checksum.hpp"
#include "harmofl/base/text.hpp"
#include "harmofl/data/partition.hpp"

#include <span>

namespace harmofl {
namespace {

/// The one shard that all samples of a client come from, -1 when there are more or none.
std::int64_t only_shard(const ClientPart& part) {
  std::int64_t found = -1;
  for (const std::vector<SampleRef>& samples : part.samples) {
    if (samples.empty()) continue;
    const bool one = samples.front().shard == samples.back().shard;  // they are sorted
    if (!one || (found >= 0 && found != samples.front().shard)) return -1;
    found = samples.front().shard;
  }
  return found;
}

}  // namespace

std::string_view to_string(PartitionKind kind) {
  static constexpr std::array<std::string_view, 6> names{"site",     "iid",     "dirichlet",
                                                         "quantity", "patient", "pooled"};
  return names[static_cast<std::size_t>(kind)];
}

ShardIndex read_shard_index(const std::filesystem::path& path) {
  const ShardReader reader(path);
  ShardIndex index{path, reader.info(), {}};
  for (const Split split : all_splits) {
    index.splits[static_cast<std::size_t>(split)] = {reader.ids(split), reader.groups(split),
                                                     reader.labels(split),
                                                     reader.stored_checksum(split)};
  }
  return index;
}

std::string part_checksum(const ClientPart& part, Split split,
                          const std::vector<ShardIndex>& shards) {
  const std::int64_t only = only_shard(part);
  if (only >= 0) {
    const SplitIndex& whole = shards[static_cast<std::size_t>(only)].split(split);
    if (part.count(split) == whole.count()) return whole.checksum;
  }
  std::string text;
  std::int64_t shard = -1;
  for (const SampleRef& sample : part.split(split)) {
    if (sample.shard != shard) {
      shard = sample.shard;
      text += concat('/', shards[static_cast<std::size_t>(shard)].split(split).checksum);
    }
    text += concat(',', sample.row);
  }
  return checksum(std::as_bytes(std::span(text)));
}

}  // namespace harmofl
