// SPDX-License-Identifier: Apache-2.0
// Records put aside in a file without a name.
#include "io/scratch_file.hpp"

#include "harmofl/base/rng.hpp"
#include "io/file_size_limit.hpp"
#include "support/errors.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <map>

namespace harmofl {
namespace {

using test::TempFolder;
using test::user_error_of;

TEST(ScratchFile, gives_back_the_newest_bytes_of_every_key) {
  const TempFolder folder;
  ScratchFile file(folder.path());
  RngStream rng(1, RoundId{0}, ClientId{0}, RngPurpose::selection);
  std::map<std::int64_t, std::string> expected;
  for (int step = 0; step < 300; ++step) {
    const std::int64_t key = rng.below(20);
    if (rng.below(4) == 0) {
      file.drop(key);
      expected.erase(key);
    } else {
      expected[key] = std::string(rng.below(400), static_cast<char>('a' + rng.below(26)));
      file.put(key, expected[key]);
    }
    for (const auto& [known, bytes] : expected) ASSERT_EQ(file.get(known), bytes) << step;
  }
  for (std::int64_t key = 0; key < 20; ++key) EXPECT_EQ(file.has(key), expected.contains(key));
}

TEST(ScratchFile, leaves_no_name_in_its_folder) {
  const TempFolder folder;
  ScratchFile file(folder.path());
  file.put(0, "kept");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(ScratchFile, uses_the_places_of_dropped_records_again) {
  const TempFolder folder;
  ScratchFile file(folder.path());
  for (int round = 0; round < 50; ++round) {
    file.put(round, std::string(1000, 'x'));
    file.drop(round);
  }
  EXPECT_EQ(file.size_bytes(), 1000);
}

TEST(ScratchFile, names_the_folder_that_cannot_be_written) {
  EXPECT_THAT(
      user_error_of([] { ScratchFile("/nowhere/at/all"); }),
      testing::AllOf(testing::HasSubstr("/nowhere/at/all"), testing::HasSubstr("run.scratch")));
}

TEST(ScratchFile, speaks_of_what_it_is_for) {
  const ScratchWords words{"the scratch file for masks", "Free space."};
  EXPECT_THAT(
      user_error_of([&] { ScratchFile("/nowhere/at/all", words); }),
      testing::AllOf(testing::HasSubstr("at/all: the scratch file for masks cannot be made"),
                     testing::HasSubstr("Free space.")));
}

TEST(ScratchFile, says_that_the_disk_is_full) {
  const TempFolder folder;
  ScratchFile file(folder.path());
  const test::FileSizeLimit limit(1000);
  EXPECT_THAT(user_error_of([&] { file.put(1, std::string(5000, 'x')); }),
              testing::AllOf(testing::HasSubstr(folder.path().string()),
                             testing::HasSubstr("run.scratch")));
}

}  // namespace
}  // namespace harmofl
