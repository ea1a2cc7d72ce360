// SPDX-License-Identifier: Apache-2.0
#include "prepare/options.hpp"

#include "prepare/png_files.hpp"

#include <gmock/gmock.h>

namespace {

using namespace harmofl;
using namespace harmofl::prepare;
using testing::HasSubstr;

Options parse_after_images(std::vector<std::string> more) {
  std::vector<std::string> all{"images", "--input", "in", "--output", "out"};
  all.insert(all.end(), more.begin(), more.end());
  return parse(all).options;
}

TEST(Options, have_defaults) {
  const Options options = parse_after_images({});
  EXPECT_EQ(options.input, "in");
  EXPECT_FALSE(options.size || options.patch || options.list || options.task);
  EXPECT_EQ(options.percent, (std::array<int, 3>{64, 16, 20}));
}

TEST(Options, are_parsed) {
  const Options options =
      parse_after_images({"--size", "32x48", "--split=50/25/25", "--seed", "7", "--sites", "a,b",
                          "--grey", "--task", "segmentation", "--deflate", "3", "--overwrite"});
  EXPECT_EQ(options.size, (Size{32, 48}));
  EXPECT_EQ(options.percent, (std::array<int, 3>{50, 25, 25}));
  EXPECT_EQ(options.seed, 7u);
  EXPECT_THAT(options.sites, testing::ElementsAre("a", "b"));
  EXPECT_TRUE(options.grey && options.overwrite);
  EXPECT_EQ(options.task, Task::segmentation);
  EXPECT_EQ(options.deflate, 3);
}

TEST(Options, refuse_what_is_unknown_with_a_suggestion) {
  const auto message = [](std::vector<std::string> arguments) {
    return test::error_of([&] { parse(arguments); });
  };
  EXPECT_THAT(message({"images", "--ouptut", "x"}), HasSubstr("Did you mean --output?"));
  EXPECT_THAT(message({"image"}), HasSubstr("Did you mean images?"));
  EXPECT_THAT(message({}), HasSubstr("a command is missing"));
  EXPECT_THAT(message({"images", "--input", "x"}), HasSubstr("--output is missing"));
}

TEST(Options, refuse_bad_values_as_usage_errors) {
  EXPECT_THROW(parse_after_images({"--size", "0x4"}), UsageError);
  EXPECT_THROW(parse_after_images({"--size", "4y4"}), UsageError);
  EXPECT_THROW(parse_after_images({"--split", "50/50"}), UsageError);
  EXPECT_THROW(parse_after_images({"--split", "50/30/30"}), UsageError);
  EXPECT_THROW(parse_after_images({"--deflate", "10"}), UsageError);
  EXPECT_THROW(parse_after_images({"--task", "guess"}), UsageError);
  EXPECT_THROW(parse_after_images({"--seed", "x"}), UsageError);
  EXPECT_THROW(parse_after_images({"--seed=-1"}), UsageError);
  EXPECT_THROW(parse_after_images({"--deflate", "0x1"}), UsageError);
  EXPECT_THROW(parse_after_images({"--size", "4x4x4"}), UsageError);
  EXPECT_THROW(parse_after_images({"--size", "x"}), UsageError);
  EXPECT_THROW(parse_after_images({"--size="}), UsageError);
  EXPECT_THROW(parse_after_images({"--size", "4x4", "--patch", "4x4"}), UsageError);
  EXPECT_THROW(parse_after_images({"more"}), UsageError);
}

}  // namespace
