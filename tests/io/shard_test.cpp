// SPDX-License-Identifier: Apache-2.0
#include "harmofl/io/shard_pool.hpp"
#include "io/file_size_limit.hpp"
#include "io/samples.hpp"
#include "support/no_files.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <fstream>

namespace {

using namespace harmofl;
using test::small_info;
using test::small_split;
using test::TempFolder;
using test::user_error_of;
using test::write_small_shard;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class EveryKindOfShard : public testing::TestWithParam<std::tuple<Task, PixelType, int>> {};

TEST_P(EveryKindOfShard, gives_back_what_was_written) {
  const auto [task, pixels, deflate] = GetParam();
  const TempFolder folder;
  const ShardInfo info = small_info(task, pixels);
  write_small_shard(folder / "clinic.h5", info, deflate);

  const ShardReader reader(folder / "clinic.h5");
  EXPECT_EQ(reader.info().site, info.site);
  EXPECT_EQ(reader.info().task, task);
  EXPECT_EQ(reader.info().class_names, info.class_names);
  EXPECT_EQ(reader.info().pixel_type, pixels);
  EXPECT_EQ(reader.info().values_per_image(), 60);
  EXPECT_EQ(reader.info().intensity_scale, info.intensity_scale);
  EXPECT_EQ(reader.info().preprocessing, info.preprocessing);
  EXPECT_EQ(reader.info().source_checksum, info.source_checksum);
  EXPECT_EQ(reader.count(Split::train), 4);
  EXPECT_EQ(reader.count(Split::val), 2);
  EXPECT_EQ(reader.count(Split::test), 0);  // never written
  const SplitData expected = small_split(info, 4, "a");
  const SplitData found = reader.read(Split::train);
  EXPECT_EQ(found.images, expected.images);
  EXPECT_EQ(found.labels, expected.labels);
  EXPECT_EQ(found.masks, expected.masks);
  EXPECT_EQ(found.ids, expected.ids);
  EXPECT_EQ(reader.read(Split::test).count(), 0);
}

INSTANTIATE_TEST_SUITE_P(Shards, EveryKindOfShard,
                         testing::Combine(testing::Values(Task::segmentation, Task::classification),
                                          testing::Values(PixelType::uint8, PixelType::float32),
                                          testing::Values(0, 4)));

TEST(Shard, reads_only_the_first_samples_when_asked) {
  const TempFolder folder;
  const ShardInfo info = small_info();
  write_small_shard(folder / "clinic.h5", info);
  const SplitData found = ShardReader(folder / "clinic.h5").read(Split::train, 3);
  const SplitData all = small_split(info, 4, "a");
  EXPECT_THAT(found.ids, ElementsAre("a0", "a1", "a2"));
  EXPECT_TRUE(std::equal(found.images.begin(), found.images.end(), all.images.begin()));
  EXPECT_EQ(found.masks.size(), 60u);
}

TEST_P(EveryKindOfShard, gives_the_rows_that_are_asked_for) {
  const auto [task, pixels, deflate] = GetParam();
  const TempFolder folder;
  const ShardInfo info = small_info(task, pixels);
  write_small_shard(folder / "clinic.h5", info, deflate);
  const ShardReader reader(folder / "clinic.h5");
  const SplitData all = small_split(info, 4, "a");
  const std::size_t bytes = all.images.size() / 4;
  for (const std::vector<std::int64_t>& rows : std::vector<std::vector<std::int64_t>>{
           {}, {0}, {3}, {0, 1}, {1, 3}, {0, 2, 3}, {0, 1, 2, 3}}) {
    const SplitData found = reader.read_rows(Split::train, rows);
    ASSERT_EQ(found.ids.size(), rows.size());
    ASSERT_EQ(found.images.size(), rows.size() * bytes);
    ASSERT_EQ(found.masks.size(), task == Task::segmentation ? rows.size() * 20 : 0);
    ASSERT_EQ(found.labels.size(), task == Task::segmentation ? 0 : rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto row = static_cast<std::size_t>(rows[i]);
      EXPECT_EQ(found.ids[i], all.ids[row]);
      EXPECT_EQ(std::memcmp(&found.images[i * bytes], &all.images[row * bytes], bytes), 0);
      if (task == Task::classification) {
        EXPECT_EQ(found.labels[i], all.labels[row]);
      } else {
        EXPECT_EQ(std::memcmp(&found.masks[i * 20], &all.masks[row * 20], 20), 0);
      }
    }
  }
}

TEST(Shard, refuses_rows_that_are_not_there_or_do_not_ascend) {
  const TempFolder folder;
  write_small_shard(folder / "clinic.h5", small_info());
  const ShardReader reader(folder / "clinic.h5");
  const auto message = [&](Split split, const std::vector<std::int64_t>& rows) {
    return user_error_of([&] { reader.read_rows(split, rows); });
  };
  EXPECT_THAT(message(Split::train, {1, 4}),
              AllOf(HasSubstr("clinic.h5: /train: sample 4"), HasSubstr("from 2 to 3")));
  EXPECT_THAT(message(Split::train, {-1}), HasSubstr("sample -1"));
  EXPECT_THAT(message(Split::val, {1, 0}), HasSubstr("/val: sample 0"));
  EXPECT_THAT(message(Split::val, {0, 0}), HasSubstr("/val: sample 0"));
  EXPECT_THAT(message(Split::test, {0}), HasSubstr("/test: sample 0"));
}

TEST(Shard, knows_the_patients_of_its_samples) {
  const TempFolder folder;
  const ShardInfo info = small_info(Task::classification);
  SplitData train = small_split(info, 4, "a");
  train.groups = {"p1", "p1", "", "p2"};
  SplitData val = small_split(info, 2, "b");
  val.groups = {"", ""};
  {
    ShardWriter writer(folder / "x.h5", info);
    writer.write(Split::train, train);
    writer.write(Split::val, val);
    writer.commit();
  }
  const ShardReader reader(folder / "x.h5");
  EXPECT_EQ(reader.groups(Split::train), train.groups);
  EXPECT_TRUE(reader.groups(Split::val).empty());
  EXPECT_TRUE(reader.groups(Split::test).empty());
  EXPECT_THAT(reader.read_rows(Split::train, {1, 2}).groups, ElementsAre("p1", ""));
  EXPECT_EQ(reader.read(Split::train).groups, train.groups);
  EXPECT_THAT(reader.ids(Split::val), ElementsAre("b0", "b1"));
  EXPECT_THAT(reader.labels(Split::train), ElementsAre(0, 1, 0, 1));
  train.groups.pop_back();
  ShardWriter writer(folder / "y.h5", info);
  EXPECT_THAT(user_error_of([&] { writer.write(Split::train, train); }),
              AllOf(HasSubstr("/train/groups"), HasSubstr("expected 4"), HasSubstr("found 3")));
}

TEST(ShardPool, opens_a_shard_once) {
  const TempFolder folder;
  write_small_shard(folder / "a.h5", small_info());
  ShardPool pool({folder / "a.h5", folder / "absent.h5"});
  EXPECT_EQ(pool.size(), 2);
  const ShardReader& first = pool.open(0);
  EXPECT_THAT(user_error_of([&] { pool.open(1); }), HasSubstr("absent.h5"));
  std::filesystem::remove(folder / "a.h5");
  EXPECT_EQ(&pool.open(0), &first);
  EXPECT_EQ(first.read_rows(Split::train, {2}).count(), 1);
}

TEST(Shard, has_the_same_bytes_every_time_it_is_written) {
  const TempFolder folder;
  const auto bytes = [&](const char* name) {
    write_small_shard(folder / name, small_info(), 2);
    std::ostringstream text;
    text << std::ifstream(folder / name, std::ios::binary).rdbuf();
    return text.str();
  };
  EXPECT_EQ(bytes("one.h5"), bytes("two.h5"));
}

TEST(Shard, checksum_depends_on_the_content_alone) {
  const TempFolder folder;
  ShardInfo info = small_info();
  write_small_shard(folder / "a.h5", info, 0);
  info.site = "other";
  write_small_shard(folder / "b.h5", info, 5);
  const ShardReader a(folder / "a.h5");
  const ShardReader b(folder / "b.h5");
  EXPECT_EQ(a.stored_checksum(Split::train), b.stored_checksum(Split::train));
  EXPECT_NE(a.stored_checksum(Split::train), a.stored_checksum(Split::val));
}

TEST(ShardWriter, refuses_facts_that_make_no_sense) {
  const TempFolder folder;
  const auto message = [&](auto change) {
    ShardInfo info = small_info();
    change(info);
    return user_error_of([&] { ShardWriter(folder / "x.h5", info); });
  };
  EXPECT_THAT(message([](ShardInfo& info) { info.site = ""; }), HasSubstr("attribute 'site'"));
  for (const char* site : {".", "..", "a/b", "a\nb", "\x1b[2J", "Kr\xe4nke", "a\u202eb"}) {
    EXPECT_THAT(message([&](ShardInfo& info) { info.site = site; }), HasSubstr("attribute 'site'"))
        << printable(site);
  }
  EXPECT_THAT(message([](ShardInfo& info) { info.class_names.clear(); }), HasSubstr("class_names"));
  EXPECT_THAT(message([](ShardInfo& info) { info.class_names.assign(257, "a"); }),
              HasSubstr("expected 1 to 256 names, found 257"));
  EXPECT_THAT(message([](ShardInfo& info) { info.class_names[1] = "b\nc"; }),
              AllOf(HasSubstr("class_names"), HasSubstr("without control characters")));
  EXPECT_THAT(message([](ShardInfo& info) { info.intensity_scale = 0.0; }),
              AllOf(HasSubstr("intensity_scale"), HasSubstr("found 0")));
  EXPECT_THAT(message([](ShardInfo& info) { info.height = 0; }), HasSubstr("found [3, 0, 5]"));
}

TEST(ShardWriter, refuses_samples_that_do_not_fit) {
  const TempFolder folder;
  const ShardInfo info = small_info();
  const auto message = [&](auto change) {
    SplitData data = small_split(info, 3, "a");
    change(data);
    ShardWriter writer(folder / "x.h5", info);
    return user_error_of([&] { writer.write(Split::train, data); });
  };
  EXPECT_THAT(message([](SplitData& data) { data.images.pop_back(); }),
              AllOf(HasSubstr("/train/images"), HasSubstr("expected 180"), HasSubstr("found 179")));
  EXPECT_THAT(message([](SplitData& data) { data.masks[25] = 9; }),
              AllOf(HasSubstr("/train/masks"), HasSubstr("found 9 in image 'a1'")));
  EXPECT_THAT(message([](SplitData& data) { data.ids[2] = "a0"; }), HasSubstr("found 'a0' twice"));
  EXPECT_THAT(message([](SplitData& data) { data.ids[2] = "a\x1b[2J"; }),
              AllOf(HasSubstr("/train/ids"), HasSubstr("without control characters")));
  EXPECT_THAT(message([](SplitData& data) { data.groups = {"p", "p", "\xff"}; }),
              AllOf(HasSubstr("/train/groups"), HasSubstr("without control characters")));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(ShardWriter, refuses_pixels_that_are_not_finite) {
  const TempFolder folder;
  const ShardInfo info = small_info(Task::classification, PixelType::float32);
  for (const float bad : {std::nanf(""), -INFINITY}) {
    SplitData data = small_split(info, 3, "a");
    std::memcpy(data.images.data() + 130 * sizeof(float), &bad, sizeof(bad));
    ShardWriter writer(folder / "x.h5", info);
    EXPECT_THAT(user_error_of([&] { writer.write(Split::val, data); }),
                AllOf(HasSubstr("/val/images"), HasSubstr("in image 'a2'")));
  }
}

TEST(ShardWriter, keeps_the_old_shard_on_a_full_disk) {
  const TempFolder folder;
  ShardInfo info = small_info();
  write_small_shard(folder / "x.h5", info);
  info.height = info.width = 64;
  for (const std::size_t limit_bytes : {500, 3000, 40000, 130000}) {
    std::string message;
    {
      const test::FileSizeLimit limit(limit_bytes);
      message = user_error_of([&] {
        ShardWriter writer(folder / "x.h5", info);
        writer.write(Split::train, small_split(info, 8, "a"));
        writer.commit();
      });
    }
    EXPECT_THAT(message, AllOf(HasSubstr("x.h5"), HasSubstr("cannot be written"),
                               HasSubstr("File too large"), HasSubstr("Free space")))
        << limit_bytes;
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
    EXPECT_EQ(ShardReader(folder / "x.h5").info().height, 4);
  }
}

TEST(ListShards, sorts_the_shards_of_a_folder_and_refuses_a_folder_without_any) {
  const TempFolder folder;
  EXPECT_THAT(user_error_of([&] { list_shards(folder.path()); }), HasSubstr("there is no shard"));
  EXPECT_THAT(user_error_of([&] { list_shards(folder / "absent"); }), HasSubstr("not a folder"));
  for (const char* name : {"b.h5", "a.h5", ".c.h5.tmp.7", "notes.txt", ".hidden.h5"}) {
    std::ofstream(folder / name).flush();
  }
  std::filesystem::create_directory(folder / "site_0");
  std::filesystem::create_symlink("notes.txt", folder / "link.h5");
  EXPECT_THAT(list_shards(folder.path()),
              ElementsAre(folder / "a.h5", folder / "b.h5", folder / "link.h5"));
}

TEST(ListShards, refuses_what_has_the_name_of_a_shard_and_is_no_file) {
  for (const test::NoFile& kind : test::no_files()) {
    const TempFolder folder;
    std::ofstream(folder / "a.h5").flush();
    kind.make(folder / "site_0.h5");
    EXPECT_THAT(user_error_of([&] { list_shards(folder.path()); }),
                HasSubstr(concat((folder / "site_0.h5").string(), ": has the name of a shard, but ",
                                 kind.described, ". Put the shard in its place, or remove it.")));
  }
}

TEST(ListShards, refuses_names_that_no_text_can_hold_and_folders_that_cannot_be_listed) {
  const TempFolder folder;
  std::ofstream(folder / "Kr\xe4nke.h5").flush();
  EXPECT_THAT(user_error_of([&] { list_shards(folder.path()); }), HasSubstr("Rename the shard"));
  const TempFolder closed;
  const test::AsNobody nobody(closed.path());
  EXPECT_THAT(user_error_of([&] { list_shards(closed.path()); }),
              HasSubstr("cannot be listed (Permission denied)"));
}

}  // namespace
