// SPDX-License-Identifier: Apache-2.0
// The clients of a run, read from a folder of shards.
#include "fl/clients/federation.hpp"

#include "io/samples.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <functional>

namespace harmofl {
namespace {

using test::small_info;
using test::small_split;
using test::TempFolder;
using test::user_error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

/// Writes a shard of `train` training and 1 val samples.
void write_shard(const std::filesystem::path& path, const ShardInfo& info, std::int64_t train) {
  ShardWriter writer(path, info);
  writer.write(Split::train, small_split(info, train, "a"));
  writer.write(Split::val, small_split(info, 1, "b"));
  writer.commit();
}

ShardInfo info_of(const std::string& site, Task task = Task::segmentation) {
  ShardInfo info = small_info(task);
  info.site = site;
  return info;
}

Federation open(const TempFolder& folder) {
  return open_federation(folder.path(), Communicator::serial());
}

/// What is said of two shards of which the second was changed.
std::string message_of_second(const std::function<void(ShardInfo&)>& change) {
  const TempFolder folder;
  write_shard(folder / "a.h5", info_of("a"), 2);
  ShardInfo second = info_of("b");
  change(second);
  write_shard(folder / "b.h5", second, 2);
  return user_error_of([&] { open(folder); });
}

TEST(Federation, knows_every_member_of_the_folder) {
  const TempFolder folder;
  write_shard(folder / "1.h5", info_of("north"), 6);
  write_shard(folder / "2.h5", info_of("south"), 2);
  const Federation federation = open(folder);
  EXPECT_EQ(federation.size(), 2);
  EXPECT_EQ(federation.shape.task, Task::segmentation);
  EXPECT_EQ(federation.shape.classes, 2);
  EXPECT_EQ(federation.shape.channels, 3);
  EXPECT_EQ(federation.shape.height, 4);
  EXPECT_EQ(federation.shape.width, 5);
  EXPECT_THAT(federation.class_names, ElementsAre("background", "nucleus"));
  const Member& north = federation.members[0];
  EXPECT_EQ(north.site, "north");
  EXPECT_EQ(north.shard, folder / "1.h5");
  EXPECT_THAT(north.counts, ElementsAre(6, 1, 0));
  EXPECT_EQ(north.checksums[0], ShardReader(folder / "1.h5").stored_checksum(Split::train));
  EXPECT_FALSE(north.checksums[0].empty());
  EXPECT_EQ(federation.smallest(), 2);
}

TEST(Federation, refuses_shards_that_disagree_and_names_both) {
  const std::function<void(ShardInfo&)> changes[] = {
      [](ShardInfo& info) { info.task = Task::classification; },
      [](ShardInfo& info) { info.height = 8; },
      [](ShardInfo& info) { info.width = 8; },
      [](ShardInfo& info) { info.channels = 1; },
      [](ShardInfo& info) { info.class_names.push_back("tissue"); },
      [](ShardInfo& info) { info.class_names[1] = "tissue"; },
  };
  for (const auto& change : changes) {
    EXPECT_THAT(message_of_second(change), AllOf(HasSubstr("a.h5"), HasSubstr("b.h5")));
  }
}

TEST(Federation, refuses_two_shards_of_one_site) {
  EXPECT_THAT(message_of_second([](ShardInfo& info) { info.site = "a"; }),
              AllOf(HasSubstr("b.h5"), HasSubstr("'a'"), HasSubstr("name of its own")));
}

TEST(Federation, allows_shards_of_different_pixel_types) {
  const TempFolder folder;
  write_shard(folder / "1.h5", info_of("north"), 2);
  ShardInfo floats = small_info(Task::segmentation, PixelType::float32);
  floats.site = "south";
  write_shard(folder / "2.h5", floats, 2);
  EXPECT_EQ(open(folder).size(), 2);
}

TEST(Federation, refuses_a_folder_without_shards) {
  const TempFolder folder;
  EXPECT_THAT(user_error_of([&] { open(folder); }), HasSubstr(folder.path().string()));
}

Federation of_sizes(const std::vector<std::int64_t>& sizes) {
  Federation federation;
  for (const std::int64_t size : sizes)
    federation.members.push_back({"site", "", {size, 1, 1}, {}});
  return federation;
}

TEST(AggregationWeights, are_uniform_or_by_training_samples) {
  const Federation federation = of_sizes({6, 3, 1});
  const double third = 1.0 / 3.0;
  EXPECT_THAT(aggregation_weights(federation, Weighting::uniform, false),
              ElementsAre(third, third, third));
  EXPECT_THAT(aggregation_weights(federation, Weighting::samples, false),
              ElementsAre(0.6, 0.3, 0.1));
}

TEST(AggregationWeights, are_uniform_when_all_are_truncated_to_the_smallest) {
  const Federation federation = of_sizes({6, 3});
  EXPECT_THAT(aggregation_weights(federation, Weighting::samples, true), ElementsAre(0.5, 0.5));
  EXPECT_EQ(federation.smallest(), 3);
}

Federation open_without(const TempFolder& folder, const std::vector<std::string>& hold_out,
                        const PartitionOptions& partition = {}) {
  return open_federation(folder.path(), Communicator::serial(), partition, hold_out);
}

TEST(Federation, deals_nothing_of_a_site_that_is_held_out) {
  const TempFolder folder;
  write_shard(folder / "1.h5", info_of("north"), 6);
  write_shard(folder / "2.h5", info_of("south"), 2);
  write_shard(folder / "3.h5", info_of("west"), 4);
  for (const PartitionKind kind : {PartitionKind::site, PartitionKind::iid}) {
    const Federation federation = open_without(folder, {"south"}, {.kind = kind, .clients = 3});
    std::int64_t dealt = 0;
    for (const Member& member : federation.members) dealt += member.count(Split::train);
    EXPECT_EQ(dealt, 10);
    ASSERT_EQ(federation.held_out.size(), 1U);
    const Member& south = federation.held_out.front();
    EXPECT_EQ(south.site, "south");
    EXPECT_EQ(south.count(Split::train), 2);
    // Its samples are found in its own shard, that of the others in theirs.
    const auto paths = federation.shard_paths();
    ASSERT_EQ(paths.size(), 3U);
    EXPECT_EQ(paths.at(static_cast<std::size_t>(south.part.split(Split::val).front().shard)),
              folder / "2.h5");
    for (const Member& member : federation.members) {
      for (const SampleRef& sample : member.part.split(Split::train)) {
        EXPECT_NE(paths.at(static_cast<std::size_t>(sample.shard)), folder / "2.h5");
      }
    }
    EXPECT_EQ(federation.data.size(), 3U);
    EXPECT_EQ(&federation.measured_at(ClientId{std::ssize(federation.measured())}), &south);
  }
}

TEST(Federation, names_a_near_site_where_one_to_hold_out_is_unknown) {
  const TempFolder folder;
  write_shard(folder / "1.h5", info_of("north"), 6);
  write_shard(folder / "2.h5", info_of("south"), 2);
  EXPECT_THAT(user_error_of([&] { open_without(folder, {"suoth"}); }),
              AllOf(HasSubstr("data.hold_out: site 'suoth' is unknown"),
                    HasSubstr("Did you mean 'south'? Known: north, south.")));
  EXPECT_THAT(user_error_of([&] { open_without(folder, {"north", "south"}); }),
              HasSubstr("data.hold_out = north,south leaves no site to train on"));
}

TEST(Federation, measures_in_millimetres_where_every_shard_has_them) {
  const TempFolder folder;
  ShardInfo north = info_of("north"), south = info_of("south");
  north.spacing = {2.0, 0.5};
  write_shard(folder / "1.h5", north, 2);
  write_shard(folder / "2.h5", south, 2);
  EXPECT_TRUE(open(folder).spacing.empty()) << "the mean of millimetres and pixels is neither";
  south.spacing = {3.0, 1.0};
  write_shard(folder / "2.h5", south, 2);
  const Federation federation = open(folder);
  EXPECT_EQ(federation.spacing_of(federation.members[1], Split::val),
            (std::vector<std::array<double, 2>>{{3.0, 1.0}}));
  const Federation mixed = open_without(folder, {}, {.kind = PartitionKind::iid, .clients = 1});
  EXPECT_EQ(mixed.spacing_of(mixed.members.front(), Split::train),
            (std::vector<std::array<double, 2>>{{2.0, 0.5}, {2.0, 0.5}, {3.0, 1.0}, {3.0, 1.0}}));
}

}  // namespace
}  // namespace harmofl
