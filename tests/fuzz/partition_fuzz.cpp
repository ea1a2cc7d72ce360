// SPDX-License-Identifier: Apache-2.0
#include "data/partition/partition_file.hpp"
#include "fuzz/targets.hpp"

namespace harmofl::fuzz {
namespace {

/// Two small shards; some names need quotes.
std::vector<ShardIndex> shards() {
  std::vector<ShardIndex> indices(2);
  indices[0].info.site = std::string("a");
  indices[0].splits[0].ids = {"0", "1", "x,\"y\""};
  indices[0].splits[2].ids = {"t"};
  indices[1].info.site = std::string("b c");
  indices[1].splits[0].ids = {"0"};
  indices[1].splits[1].ids = {"v\nw"};
  return indices;
}

}  // namespace

void partition(std::string_view input) {
  static const std::vector<ShardIndex> indices = shards();
  const Partition found = parse_partition(std::string(input), indices, "partition.csv");
  const std::string text = partition_text(found, indices);
  // The order of clients is that of their first samples, which writing may change once.
  require(partition_text(parse_partition(text, indices, "again.csv"), indices) == text,
          "a partition survives writing");
}

}  // namespace harmofl::fuzz
