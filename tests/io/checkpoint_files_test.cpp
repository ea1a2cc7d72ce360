// SPDX-License-Identifier: Apache-2.0
#include "io/checkpoint/checkpoint_files.hpp"

#include "io/checkpoints.hpp"
#include "io/file_size_limit.hpp"
#include "io/input_file.hpp"
#include "support/errors.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <cerrno>
#include <fstream>
#include <functional>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace harmofl;
using test::names_in;
using test::TempFolder;
using test::user_error_of;
using test::verified_rounds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

void put(const CheckpointFiles& files, std::int64_t rounds, std::int64_t keep = 2) {
  files.put(*test::checkpoint_writer(files.newest(), rounds), keep);
}

std::vector<std::int64_t> rounds_of(const CheckpointFiles& files) {
  std::vector<std::int64_t> rounds;
  for (const auto& path : files.all()) rounds.push_back(verified_rounds(path));
  return rounds;
}

std::filesystem::path newest_intact(const CheckpointFiles& files) {
  return files.newest_intact().value().path();
}

void cut(const std::filesystem::path& path) {
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
}

TEST(CheckpointFiles, keep_the_last_so_many) {
  for (const std::int64_t keep : {1, 2, 3}) {
    const TempFolder folder;
    const CheckpointFiles files(folder.path());
    for (std::int64_t rounds = 1; rounds <= 5; ++rounds) put(files, rounds, keep);
    std::vector<std::int64_t> expected{5, 4, 3};
    expected.resize(static_cast<std::size_t>(keep));
    EXPECT_EQ(rounds_of(files), expected);
    EXPECT_EQ(names_in(folder.path()).size(), expected.size());
  }
}

TEST(CheckpointFiles, name_the_older_ones_by_their_rounds) {
  const TempFolder folder;
  const CheckpointFiles files(folder.path());
  for (const std::int64_t rounds : {7, 1234567, 1234568}) put(files, rounds, 3);
  EXPECT_THAT(names_in(folder.path()), UnorderedElementsAre("checkpoint.h5", "checkpoint-000007.h5",
                                                            "checkpoint-1234567.h5"));
  EXPECT_THAT(rounds_of(files), ElementsAre(1234568, 1234567, 7));
}

TEST(CheckpointFiles, are_the_same_where_hard_links_are_not_supported) {
  const TempFolder folder;
  const CheckpointFiles files(folder.path(), [](const char*, const char*) {
    errno = EPERM;
    return -1;
  });
  for (std::int64_t rounds = 1; rounds <= 4; ++rounds) put(files, rounds, 3);
  EXPECT_THAT(rounds_of(files), ElementsAre(4, 3, 2));
  EXPECT_EQ(names_in(folder.path()).size(), 3U);
}

TEST(CheckpointFiles, go_on_after_a_kill_between_the_link_and_the_new_one) {
  const TempFolder folder;
  const CheckpointFiles files(folder.path());
  put(files, 1);
  std::filesystem::create_hard_link(files.newest(), folder / "checkpoint-000001.h5");
  EXPECT_EQ(newest_intact(files), files.newest());
  put(files, 2);
  EXPECT_THAT(rounds_of(files), ElementsAre(2, 1));
}

TEST(CheckpointFiles, go_on_after_a_kill_between_the_rename_and_the_new_one) {
  const TempFolder folder;
  const CheckpointFiles files(folder.path());
  put(files, 1);
  std::filesystem::rename(files.newest(), folder / "checkpoint-000001.h5");
  EXPECT_EQ(newest_intact(files), folder / "checkpoint-000001.h5");
  put(files, 2);
  EXPECT_THAT(rounds_of(files), ElementsAre(2, 1));
}

TEST(CheckpointFiles, go_on_after_a_kill_before_old_ones_are_removed) {
  const TempFolder folder;
  const CheckpointFiles files(folder.path());
  for (const std::int64_t rounds : {1, 2, 3}) put(files, rounds, 10);
  put(files, 4, 2);
  EXPECT_THAT(rounds_of(files), ElementsAre(4, 3));
}

TEST(CheckpointFiles, replace_older_ones_of_rounds_that_ran_again) {
  const TempFolder folder;
  const CheckpointFiles files(folder.path());
  std::ofstream(folder / "checkpoint-000003.h5") << "of another try";
  put(files, 3);
  EXPECT_THAT(rounds_of(files), ElementsAre(3));
  std::ofstream(folder / "checkpoint-000003.h5") << "of another try";
  put(files, 4);
  EXPECT_THAT(rounds_of(files), ElementsAre(4, 3));
}

TEST(CheckpointFiles, leave_other_files_alone) {
  const TempFolder folder;
  const CheckpointFiles files(folder.path());
  for (const char* name : {"best.h5", "checkpoint-12.h5", "checkpoint-00000x.h5",
                           "checkpoint-000001.h5.damaged", "checkpoint-.h5"}) {
    std::ofstream(folder / name) << "x";
  }
  EXPECT_THAT(files.all(), IsEmpty());
  EXPECT_FALSE(files.newest_intact());
  put(files, 2, 1);
  EXPECT_EQ(names_in(folder.path()).size(), 6U);
}

TEST(CheckpointFiles, fall_back_to_the_newest_intact_one_and_say_why) {
  const TempFolder folder;
  const CheckpointFiles files(folder.path());
  for (const std::int64_t rounds : {1, 2, 3}) put(files, rounds, 3);
  cut(files.newest());
  cut(folder / "checkpoint-000002.h5");
  testing::internal::CaptureStderr();
  EXPECT_EQ(newest_intact(files), folder / "checkpoint-000001.h5");
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("warning"), HasSubstr("checkpoint.h5: cannot be opened"),
                    HasSubstr("checkpoint-000002.h5: cannot be opened"),
                    HasSubstr("Going on from " + (folder / "checkpoint-000001.h5").string()),
                    HasSubstr("run again")));
}

TEST(CheckpointFiles, say_nothing_when_the_newest_is_intact) {
  const TempFolder folder;
  const CheckpointFiles files(folder.path());
  put(files, 1);
  put(files, 2);
  cut(folder / "checkpoint-000001.h5");
  testing::internal::CaptureStderr();
  EXPECT_EQ(newest_intact(files), files.newest());
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(CheckpointFiles, list_all_that_was_tried_when_none_is_intact) {
  const TempFolder folder;
  const CheckpointFiles files(folder.path());
  put(files, 1);
  put(files, 2);
  cut(files.newest());
  std::ofstream(folder / "checkpoint-000001.h5") << "text";
  EXPECT_THAT(user_error_of([&] { files.newest_intact(); }),
              AllOf(HasSubstr("no checkpoint is intact"), HasSubstr("checkpoint.h5: cannot be"),
                    HasSubstr("checkpoint-000001.h5: this is not an HDF5 file")));
}

TEST(CheckpointFiles, take_one_that_cannot_be_read_for_no_damaged_one) {
  using namespace std::filesystem;
  const TempFolder folder;
  const CheckpointFiles files(folder.path());
  put(files, 1);
  put(files, 2);
  const auto error = [&] { return user_error_of([&] { files.newest_intact(); }); };
  remove(files.newest());
  create_symlink("checkpoint.h5", files.newest());  // which leads to itself
  EXPECT_THAT(error(), AllOf(HasSubstr("checkpoint.h5: cannot be read"), HasSubstr("whole")));
  remove(files.newest());
  create_symlink("nowhere", files.newest());
  EXPECT_THAT(error(), HasSubstr("checkpoint.h5: there is no such file"));
  remove(files.newest());
  create_directory(files.newest());
  EXPECT_THAT(error(), HasSubstr("checkpoint.h5: this is not a regular file"));
  EXPECT_THAT(names_in(folder.path()),
              UnorderedElementsAre("checkpoint.h5", "checkpoint-000001.h5"));
}

/// The exit status of a process of a user who is nobody in particular and runs `work`; -1 where
/// there can be none.
int status_as_somebody_else(const std::function<void()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(77);
    try {
      work();
    } catch (const UnreadableFile&) {
      _exit(1);
    } catch (...) {
      _exit(2);
    }
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(CheckpointFiles, leave_alone_what_the_user_may_not_read) {
  const TempFolder folder;
  const CheckpointFiles files(folder.path());
  put(files, 1);
  std::filesystem::permissions(folder.path(), std::filesystem::perms::all);
  chmod(files.newest().c_str(), 0);
  const int status = status_as_somebody_else([&] { files.newest_intact(); });
  if (status == 77) GTEST_SKIP() << "only root can become another user";
  EXPECT_EQ(status, 1);
  EXPECT_THAT(names_in(folder.path()), UnorderedElementsAre("checkpoint.h5"));
}

TEST(CheckpointFiles, never_keep_a_damaged_one_in_place_of_a_good_one) {
  const TempFolder folder;
  const CheckpointFiles files(folder.path());
  put(files, 1);
  put(files, 2);
  cut(files.newest());
  files.set_aside_newer_than(newest_intact(files));
  EXPECT_THAT(names_in(folder.path()),
              UnorderedElementsAre("checkpoint.h5.damaged", "checkpoint-000001.h5"));
  put(files, 2);
  EXPECT_THAT(rounds_of(files), ElementsAre(2, 1));
}

TEST(CheckpointFiles, of_rounds_to_come_go_when_an_earlier_one_was_put_back) {
  const TempFolder folder;
  const CheckpointFiles files(folder.path());
  put(files, 4);
  std::filesystem::rename(files.newest(), folder / "checkpoint-000004.h5");
  put(files, 1);
  put(files, 2);
  EXPECT_THAT(rounds_of(files), ElementsAre(2, 1));
}

TEST(CheckpointFiles, make_room_first_when_fewer_are_to_be_kept_than_before) {
  const TempFolder folder;
  const CheckpointFiles files(folder.path());
  for (const std::int64_t rounds : {1, 2, 3}) put(files, rounds, 3);
  {
    const test::FileSizeLimit limit(1000);
    user_error_of([&] { put(files, 4, 1); });
  }
  EXPECT_THAT(rounds_of(files), ElementsAre(3));
}

TEST(CheckpointFiles, are_not_removed_before_a_save_when_the_newest_is_missing) {
  const TempFolder folder;
  const CheckpointFiles files(folder.path());
  put(files, 1);
  std::filesystem::rename(files.newest(), folder / "checkpoint-000001.h5");
  {
    const test::FileSizeLimit limit(1000);
    user_error_of([&] { put(files, 2, 1); });
  }
  EXPECT_THAT(rounds_of(files), ElementsAre(1));
  put(files, 2, 1);
  EXPECT_THAT(rounds_of(files), ElementsAre(2));
}

TEST(CheckpointFiles, stay_as_they_are_on_a_full_disk) {
  const TempFolder folder;
  const CheckpointFiles files(folder.path());
  put(files, 1);
  put(files, 2);
  {
    const test::FileSizeLimit limit(1000);
    EXPECT_THAT(user_error_of([&] { put(files, 3); }),
                AllOf(HasSubstr("checkpoint.h5: cannot be written"), HasSubstr("File too large")));
  }
  EXPECT_THAT(rounds_of(files), ElementsAre(2, 1));
  EXPECT_EQ(names_in(folder.path()).size(), 2U);
}

}  // namespace
