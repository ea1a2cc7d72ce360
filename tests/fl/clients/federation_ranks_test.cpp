// SPDX-License-Identifier: Apache-2.0
// What ranks know of the clients that the root read from shards.
#include "data/partition/partition_file.hpp"
#include "fl/clients/federation.hpp"
#include "fl/shared_folder.hpp"
#include "io/samples.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using test::SharedFolder;
using test::world;
using testing::IsEmpty;

/// Two sites of 6 and 3 training images, written by the root.
void write_shards(const SharedFolder& folder) {
  world().agree([&] {
    if (!world().is_root()) return;
    for (const auto& [site, train] : {std::pair("n\u00f6rth, \u5317", 6), std::pair("south", 3)}) {
      ShardInfo info = test::small_info(Task::segmentation);
      info.site = site;
      ShardWriter writer(folder / concat(train, ".h5"), info);
      writer.write(Split::train, test::small_split(info, train, "a"));
      writer.write(Split::val, test::small_split(info, 1, "b"));
      writer.commit();
    }
  });
}

void expect_same(const std::vector<Member>& found, const std::vector<Member>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].site, expected[i].site);
    EXPECT_EQ(found[i].shard, expected[i].shard);
    EXPECT_EQ(found[i].counts, expected[i].counts);
    EXPECT_EQ(found[i].checksums, expected[i].checksums);
    EXPECT_EQ(found[i].part, expected[i].part);
  }
}

class FederationOfRanks : public testing::TestWithParam<PartitionKind> {};
INSTANTIATE_TEST_SUITE_P(Partitions, FederationOfRanks,
                         testing::Values(PartitionKind::site, PartitionKind::iid));

TEST_P(FederationOfRanks, is_what_one_rank_reads) {
  const SharedFolder folder;
  write_shards(folder);
  const PartitionOptions options{.kind = GetParam(), .clients = 4, .seed = 7};
  const Federation expected = open_federation(folder / "", Communicator::serial(), options);
  const Federation found = open_federation(folder / "", world(), options);
  EXPECT_EQ(found.shape.height, 4);
  EXPECT_EQ(found.shape.width, 5);
  EXPECT_EQ(found.class_names, expected.class_names);
  EXPECT_EQ(found.size(), GetParam() == PartitionKind::site ? 2 : 4);
  expect_same(found.members, expected.members);
  expect_same(found.sites, expected.sites);
}

// The rest of a start must not read and deal all of it again.
TEST_P(FederationOfRanks, holds_what_was_dealt_on_the_root_where_clients_are_no_sites) {
  const SharedFolder folder;
  write_shards(folder);
  const PartitionOptions options{.kind = GetParam(), .clients = 4, .seed = 7};
  const Federation found = open_federation(folder / "", world(), options);
  if (!world().is_root() || GetParam() == PartitionKind::site) {
    EXPECT_THAT(found.partition_csv, IsEmpty());
    return;
  }
  std::vector<ShardIndex> shards;
  for (const auto& path : found.shard_paths()) shards.push_back(read_shard_index(path));
  const Partition dealt = parse_partition(found.partition_csv, shards, "partition.csv");
  ASSERT_EQ(std::ssize(dealt.clients), found.size());
  for (std::size_t i = 0; i < dealt.clients.size(); ++i) {
    EXPECT_EQ(dealt.clients[i], found.members[i].part);
  }
}

}  // namespace
}  // namespace harmofl
