// SPDX-License-Identifier: Apache-2.0
#include "prepare/images/options.hpp"

#include "prepare/png_files.hpp"
#include "prepare/subcommands.hpp"

#include <gmock/gmock.h>

#include <sstream>

namespace {

using namespace harmofl;
using namespace harmofl::prepare;
using testing::HasSubstr;

Options parse_after_images(std::vector<std::string> more) {
  std::vector<std::string> all{"--input", "in", "--output", "out"};
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
  EXPECT_THAT(message({"--ouptut", "x"}), HasSubstr("Did you mean --output?"));
  EXPECT_THAT(message({"--input", "x"}), HasSubstr("--output is missing"));
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

TEST(Options, tell_what_masks_hold) {
  EXPECT_THAT(parse_after_images({"--mask-values", "255=1,a=b=2"}).mask.classes,
              testing::ElementsAre(testing::Pair("0", 0), testing::Pair("255", 1),
                                   testing::Pair("a=b", 2)));
  EXPECT_EQ(parse_after_images({"--mask-values", "0=1"}).mask.classes.at("0"), 1);
  EXPECT_EQ(parse_after_images({"--mask-threshold", "7"}).mask.threshold, 7);
  EXPECT_THAT(parse_after_images({"--class-names", "b,f"}).class_names,
              testing::ElementsAre("b", "f"));
  for (const char* bad : {"", "1", "1=", "=1", "1=256", "1=-1", "1=1,1=2", "1=x"}) {
    EXPECT_THROW(parse_after_images({concat("--mask-values=", bad)}), UsageError) << bad;
  }
  EXPECT_THROW(parse_after_images({"--mask-threshold", "0"}), UsageError);
  EXPECT_THROW(parse_after_images({"--mask-threshold", "1", "--mask-values", "1=1"}), UsageError);
  EXPECT_THROW(parse_after_images({"--class-names", "b"}), UsageError);
  EXPECT_THROW(parse_after_images({"--class-names", "b,b"}), UsageError);
  EXPECT_THROW(parse_after_images({"--class-names", "b,f", "--mask-values", "1=2"}), UsageError);
}

TEST(Options, choose_a_layout_and_its_sites) {
  EXPECT_EQ(parse_after_images({}).layout, "folders");
  EXPECT_EQ(parse_after_images({"--layout", "tnbc", "--site", "F"}).site, "F");
  EXPECT_THROW(parse_after_images({"--layout", "monusek"}), UsageError);
  EXPECT_THROW(parse_after_images({"--site", "F"}), UsageError);
  EXPECT_THROW(parse_after_images({"--layout", "authors", "--sites-from", "x.csv"}), UsageError);
  EXPECT_THROW(parse_after_images({"--layout", "tnbc", "--list", "x.csv"}), UsageError);
  EXPECT_THROW(parse_after_images({"--layout", "tnbc", "--site", "F", "--sites-from", "x.csv"}),
               UsageError);
}

TEST(Subcommands, are_chosen_by_name) {
  const auto run = [](std::vector<std::string> arguments) {
    std::ostringstream out;
    EXPECT_EQ(run_subcommand(arguments, out), ExitCode::done);
    return out.str();
  };
  EXPECT_THAT(run({"--help"}), HasSubstr("images  "));
  EXPECT_THAT(run({"--version"}), HasSubstr("harmofl-prepare "));
  EXPECT_THAT(run({"images", "--help"}), HasSubstr("--patch HxW"));
  const auto message = [&](std::vector<std::string> arguments) {
    return test::error_of([&] { run(arguments); });
  };
  EXPECT_THAT(message({"image"}), HasSubstr("Did you mean images?"));
  EXPECT_THAT(message({"quux"}), HasSubstr("Known: images"));
  EXPECT_THAT(message({}), HasSubstr("a command is missing"));
}

}  // namespace
