// SPDX-License-Identifier: Apache-2.0
#include "io/atomic_file.hpp"

#include "io/file_size_limit.hpp"
#include "io/samples.hpp"
#include "support/file_content.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>
#include <string>

namespace {

using harmofl::AtomicFile;
using harmofl::test::content_of;
using harmofl::test::FileSizeLimit;
using harmofl::test::TempFolder;
using harmofl::test::user_error_of;
using testing::HasSubstr;

std::ptrdiff_t files_in(const std::filesystem::path& folder) {
  return std::distance(std::filesystem::directory_iterator(folder), {});
}

TEST(AtomicFile, appears_at_commit_and_not_before) {
  const TempFolder folder;
  AtomicFile file(folder / "result.txt");
  std::ofstream(file.temporary()) << "new";
  EXPECT_FALSE(std::filesystem::exists(folder / "result.txt"));
  file.commit();
  EXPECT_EQ(content_of(folder / "result.txt"), "new");
  EXPECT_EQ(files_in(folder.path()), 1);
}

TEST(AtomicFile, leaves_the_old_file_when_it_is_not_committed) {
  const TempFolder folder;
  harmofl::write_text_file(folder / "result.txt", "old");
  {
    const AtomicFile file(folder / "result.txt");
    std::ofstream(file.temporary()) << "new";
  }
  EXPECT_EQ(content_of(folder / "result.txt"), "old");
  EXPECT_EQ(files_in(folder.path()), 1);
}

TEST(AtomicFile, names_a_folder_that_does_not_exist) {
  const TempFolder folder;
  const std::string message = user_error_of([&] { AtomicFile(folder / "absent" / "x.txt"); });
  EXPECT_THAT(message, HasSubstr("absent"));
  EXPECT_THAT(message, HasSubstr("does not exist"));
}

TEST(AtomicFile, refuses_a_folder_that_cannot_be_written) {
  // /proc is read-only to everyone, root included.
  const std::string message = user_error_of([] { AtomicFile("/proc/x.txt"); });
  EXPECT_THAT(message, HasSubstr("/proc/x.txt: cannot be written"));
}

TEST(WriteTextFile, keeps_the_old_file_on_a_full_disk) {
  const TempFolder folder;
  harmofl::write_text_file(folder / "result.txt", "old");
  const std::string big(100000, 'x');
  std::string message;
  {
    const FileSizeLimit limit(1000);
    message = user_error_of([&] { harmofl::write_text_file(folder / "result.txt", big); });
  }
  EXPECT_THAT(message, HasSubstr("result.txt: cannot be written: File too large"));
  EXPECT_EQ(content_of(folder / "result.txt"), "old");
  EXPECT_EQ(files_in(folder.path()), 1);
}

}  // namespace
