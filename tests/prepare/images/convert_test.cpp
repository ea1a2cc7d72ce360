// SPDX-License-Identifier: Apache-2.0
#include "prepare/images/convert.hpp"

#include "base/process/memory.hpp"
#include "harmofl/io/shard.hpp"
#include "prepare/png_files.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

namespace {

using namespace harmofl;
using namespace harmofl::prepare;
using test::error_of;
using test::write_pair;
using testing::HasSubstr;

/// One site of 5 images of 6x8.
class Convert : public testing::Test {
 protected:
  Convert() {
    for (int i = 0; i < 5; ++i) {
      write_pair(folder_ / "in/site", std::to_string(i), 6, 8, static_cast<std::uint8_t>(50 + i));
    }
  }
  std::string run() const {
    std::ostringstream report;
    EXPECT_EQ(convert(options_, report), ExitCode::done);
    return report.str();
  }
  std::string error() const {
    return error_of([&] {
      std::ostringstream report;
      convert(options_, report);
    });
  }
  std::filesystem::path shard() const { return folder_ / "out/site.h5"; }

  test::TempFolder folder_;
  Options options_{.input = folder_ / "in", .output = folder_ / "out", .size = Size{3, 4}};
};

TEST_F(Convert, writes_resampled_images_and_masks) {
  const std::string report = run();
  EXPECT_THAT(report, HasSubstr("foreground"));
  EXPECT_THAT(report, HasSubstr("33.3 %"));  // a half of the new first row: foreground
  const ShardReader reader(shard());
  EXPECT_EQ(reader.info().height, 3);
  EXPECT_EQ(reader.count(Split::train) + reader.count(Split::val) + reader.count(Split::test), 5);
  const SplitData data = reader.read(Split::train);
  EXPECT_EQ(data.images[0], std::byte(50 + std::stoi(data.ids[0])));
  EXPECT_EQ(data.masks[0], 1);
  EXPECT_EQ(data.masks[4], 0);
}

TEST_F(Convert, replaces_nothing_but_files) {
  std::filesystem::create_directory(folder_ / "out");
  std::filesystem::create_symlink(folder_ / "gone", shard());
  EXPECT_THAT(error(), HasSubstr("site.h5: cannot be written over: it is a link"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "gone"));
}

TEST_F(Convert, keeps_shards_of_the_same_sources_and_defends_others) {
  run();
  const auto written = std::filesystem::last_write_time(shard());
  EXPECT_THAT(run(), HasSubstr("kept"));
  EXPECT_EQ(std::filesystem::last_write_time(shard()), written);
  options_.seed = 1;
  EXPECT_THAT(error(), HasSubstr("Give --overwrite"));
  options_.overwrite = true;
  run();
  options_ = {.input = folder_ / "in", .output = folder_ / "out", .size = Size{3, 4}, .seed = 1};
  run();
  write_pair(folder_ / "in/site", "0", 6, 8, 99);
  EXPECT_THAT(error(), HasSubstr("made from other images or with other options"));
  std::ofstream(shard()) << "damaged";
  EXPECT_THAT(error(), HasSubstr("it cannot be read"));
}

TEST_F(Convert, cuts_patches_that_stay_in_one_split) {
  options_.size.reset();
  options_.patch = Size{4, 4};
  run();
  const ShardReader reader(shard());
  std::int64_t count = 0;
  for (const Split split : all_splits) {
    EXPECT_EQ(reader.count(split) % 4, 0);  // 2 rows, 2 columns
    count += reader.count(split);
  }
  EXPECT_EQ(count, 20);
  EXPECT_THAT(reader.read(Split::train).ids[3], HasSubstr("_y1x1"));
  options_.patch = Size{4, 9};
  options_.overwrite = true;
  EXPECT_THAT(error(), HasSubstr("smaller than the patch 4x9"));
}

TEST_F(Convert, stores_the_patients_of_the_list_with_every_tile) {
  options_.size.reset();
  options_.patch = Size{4, 8};
  options_.list = folder_ / "list.csv";
  const auto list = [&](const char* last) {
    std::ofstream(*options_.list) << "id,site,patient,split\n0,site,ann,train\n1,site,bob,train\n"
                                  << "2,site,ann,train\n3,site,,val\n4,site," << last << ",test\n";
  };
  list("cleo");
  run();
  const ShardReader reader(shard());
  EXPECT_THAT(reader.ids(Split::train),
              testing::ElementsAre("0_y0x0", "0_y1x0", "1_y0x0", "1_y1x0", "2_y0x0", "2_y1x0"));
  EXPECT_THAT(reader.groups(Split::train),
              testing::ElementsAre("ann", "ann", "bob", "bob", "ann", "ann"));
  EXPECT_TRUE(reader.groups(Split::val).empty());
  EXPECT_THAT(reader.groups(Split::test), testing::ElementsAre("cleo", "cleo"));
  EXPECT_THAT(run(), HasSubstr("kept"));
  list("dora");
  EXPECT_THAT(error(), HasSubstr("Give --overwrite"));
}

TEST_F(Convert, names_images_that_do_not_fit_together) {
  options_.size.reset();
  write_pair(folder_ / "in/site", "4", 6, 6, 9);
  EXPECT_THAT(error(), HasSubstr("4.png: this image is 6x6, those before it are 6x8"));
  test::write_png(folder_ / "in/site/4_mask.png", 2, 2, 1, {0, 0, 0, 255});
  EXPECT_THAT(error(), HasSubstr("4_mask.png: this mask is 2x2, its image is 6x6"));
  EXPECT_FALSE(std::filesystem::exists(shard()));
}

TEST_F(Convert, stores_one_channel_and_only_the_sites_asked_for) {
  write_pair(folder_ / "in/other", "0", 6, 8, 1);
  options_.grey = true;
  options_.sites = {"site"};
  run();
  EXPECT_EQ(ShardReader(shard()).info().channels, 1);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out/other.h5"));
  options_.sites = {"sit"};
  EXPECT_THAT(error(), HasSubstr("Did you mean 'site'?"));
}

TEST_F(Convert, refuses_a_size_that_no_memory_holds) {
  const std::int64_t side = 65535;
  if (machine_memory_bytes() / 4 > side * side * 12) GTEST_SKIP() << "this machine holds it";
  options_.size = Size{side, side};
  EXPECT_THROW(run(), UsageError);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

TEST_F(Convert, describes_only_what_was_asked_for) {
  const std::string before = describe_preprocessing(options_, Task::segmentation);
  EXPECT_THAT(before, testing::Not(HasSubstr("layout")));
  options_.layout = "tnbc";
  options_.mask.threshold = 3;
  const std::string after = describe_preprocessing(options_, Task::segmentation);
  EXPECT_THAT(after, HasSubstr("\"layout\":\"tnbc\""));
  EXPECT_THAT(after, HasSubstr("\"mask_threshold\":3"));
  options_.mask = {.threshold = {}, .classes = {{"255", 1}}};
  EXPECT_THAT(describe_preprocessing(options_, Task::segmentation),
              HasSubstr("\"mask_values\":{\"255\":1}"));
}

}  // namespace
