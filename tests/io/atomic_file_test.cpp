// SPDX-License-Identifier: Apache-2.0
#include "io/atomic_file.hpp"

#include "io/file_size_limit.hpp"
#include "io/samples.hpp"
#include "support/file_content.hpp"
#include "support/no_files.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace {

using harmofl::AtomicFile;
using harmofl::test::content_of;
using harmofl::test::FileSizeLimit;
using harmofl::test::make_fifo;
using harmofl::test::no_files;
using harmofl::test::NoFile;
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

TEST(AtomicFile, replaces_nothing_but_files) {
  for (const NoFile& kind : no_files()) {
    const TempFolder folder;
    kind.make(folder / "result");
    const auto before = std::filesystem::symlink_status(folder / "result").type();
    EXPECT_THAT(user_error_of([&] { AtomicFile(folder / "result"); }),
                HasSubstr((folder / "result").string() + ": cannot be written over: it is a "));
    EXPECT_EQ(std::filesystem::symlink_status(folder / "result").type(), before);
    EXPECT_EQ(files_in(folder.path()), 1);
  }
}

TEST(AtomicFile, neither_follows_nor_replaces_a_link_to_a_file) {
  const TempFolder folder;
  std::ofstream(folder / "of_another") << "kept";
  std::filesystem::create_symlink("of_another", folder / "result");
  EXPECT_THAT(user_error_of([&] { harmofl::write_text_file(folder / "result", "new"); }),
              HasSubstr("result: cannot be written over: it is a link"));
  EXPECT_EQ(content_of(folder / "of_another"), "kept");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "result"));
}

TEST(AtomicFile, looks_again_before_it_puts_the_file_in_place) {
  const TempFolder folder;
  {
    AtomicFile file(folder / "result");
    std::ofstream(file.temporary()) << "new";
    make_fifo(folder / "result");
    EXPECT_THAT(user_error_of([&] { file.commit(); }), HasSubstr("it is a FIFO"));
  }
  EXPECT_TRUE(std::filesystem::is_fifo(folder / "result"));
  EXPECT_EQ(files_in(folder.path()), 1);
}

TEST(AtomicFile, has_a_name_of_its_own_in_every_process_and_every_time) {
  const TempFolder folder;
  const AtomicFile one(folder / "result"), other(folder / "result");
  EXPECT_NE(one.temporary(), other.temporary());  // as of two containers whose processes are alike
  for (const AtomicFile* file : {&one, &other}) {
    EXPECT_EQ(harmofl::target_of_temporary(file->temporary().filename()), "result");
  }
}

TEST(TargetOfTemporary, knows_the_names_of_now_and_of_earlier_versions) {
  using harmofl::target_of_temporary;
  EXPECT_EQ(target_of_temporary(".checkpoint.h5.tmp.4711-09f1c3a85e2b7d46"), "checkpoint.h5");
  EXPECT_EQ(target_of_temporary(".checkpoint.h5.tmp.4711"), "checkpoint.h5");
  EXPECT_EQ(target_of_temporary(".c.tmp.4711"), "c");
  for (const char* name :
       {".checkpoint.h5.tmp.", ".checkpoint.h5.tmp.x", ".checkpoint.h5.tmp.4711-",
        ".checkpoint.h5.tmp.4711-09f1", ".checkpoint.h5.tmp.4711-09F1C3A85E2B7D46",
        ".checkpoint.h5.tmp.-09f1c3a85e2b7d46", ".checkpoint.h5.tmp.4711-09f1c3a85e2b7d460",
        "checkpoint.h5.tmp.4711", ".tmp.4711", "checkpoint.h5"}) {
    EXPECT_EQ(target_of_temporary(name), "") << name;
  }
}

TEST(AtomicFile, refuses_a_folder_that_cannot_be_written) {
  // /proc is read-only to everyone, root included.
  const std::string message = user_error_of([] { AtomicFile("/proc/x.txt"); });
  EXPECT_THAT(message, HasSubstr("/proc/x.txt: cannot be written"));
}

TEST(WriteTextFile, leaves_no_file_open) {
  const TempFolder folder;
  const auto open_files = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const auto before = open_files();
  harmofl::write_text_file(folder / "a.txt", "text");
  EXPECT_EQ(open_files(), before);
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
