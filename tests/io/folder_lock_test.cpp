// SPDX-License-Identifier: Apache-2.0
#include "io/checkpoint/folder_lock.hpp"

#include "harmofl/base/text.hpp"
#include "support/errors.hpp"
#include "support/file_content.hpp"
#include "support/no_files.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using harmofl::concat;
using harmofl::FolderLock;
using harmofl::test::content_of;
using harmofl::test::no_files;
using harmofl::test::TempFolder;
using harmofl::test::user_error_of;
using testing::AllOf;
using testing::HasSubstr;

/// A process that holds the lock of a folder until it is killed.
class Holder {
 public:
  explicit Holder(const std::filesystem::path& folder) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    process_ = fork();
    if (process_ == 0) {
      const FolderLock lock(folder);
      EXPECT_EQ(::write(ends[1], "x", 1), 1);
      while (true) pause();
    }
    close(ends[1]);
    char byte = 0;
    EXPECT_EQ(::read(ends[0], &byte, 1), 1);  // it has the lock by now
    close(ends[0]);
  }
  ~Holder() { kill_it(); }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  void kill_it() {
    if (process_ <= 0) return;
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
    process_ = -1;
  }
  pid_t process() const { return process_; }

 private:
  pid_t process_ = -1;
};

TEST(FolderLock, refuses_a_second_holder_and_names_the_first) {
  const TempFolder folder;
  setenv("SLURM_JOB_ID", "88", 1);
  const Holder holder(folder.path());
  unsetenv("SLURM_JOB_ID");
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  EXPECT_THAT(user_error_of([&] { FolderLock(folder.path()); }),
              AllOf(HasSubstr((folder / ".lock").string()),
                    HasSubstr(concat("process ", holder.process(), " on ", host, ", Slurm job 88")),
                    HasSubstr("UTC"), HasSubstr("run.output")));
}

TEST(FolderLock, is_held_between_objects_of_one_process_too) {
  const TempFolder folder;
  const FolderLock lock(folder.path());
  EXPECT_TRUE(lock.held());
  EXPECT_THAT(user_error_of([&] { FolderLock(folder.path()); }),
              HasSubstr(concat("process ", getpid())));
}

TEST(FolderLock, ends_with_its_holder_and_leaves_no_file) {
  const TempFolder folder;
  { const FolderLock lock(folder.path()); }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  EXPECT_TRUE(FolderLock(folder.path()).held());
}

TEST(FolderLock, of_a_killed_process_stops_nobody) {
  const TempFolder folder;
  Holder holder(folder.path());
  holder.kill_it();
  ASSERT_TRUE(std::filesystem::exists(folder / ".lock"));
  const FolderLock lock(folder.path());
  EXPECT_THAT(user_error_of([&] { FolderLock(folder.path()); }),
              HasSubstr(concat("process ", getpid(), " on ")));
}

TEST(FolderLock, takes_the_new_file_when_another_holder_removed_its_own) {
  static std::filesystem::path file;
  static int calls;
  const TempFolder folder;
  file = folder / ".lock";
  calls = 0;
  const FolderLock lock(folder.path(), [](int descriptor, int operation) {
    if (calls++ == 0) unlink(file.c_str());  // its holder left between opening and locking
    return flock(descriptor, operation);
  });
  EXPECT_EQ(calls, 2);
  EXPECT_TRUE(lock.held());
  EXPECT_THAT(user_error_of([&] { FolderLock(folder.path()); }), HasSubstr("another job"));
}

template <int error>
int refuse(int, int) {
  errno = error;
  return -1;
}

TEST(FolderLock, only_warns_where_the_file_system_has_no_locks) {
  for (const auto lock : {refuse<ENOLCK>, refuse<ENOSYS>, refuse<EOPNOTSUPP>}) {
    const TempFolder folder;
    testing::internal::CaptureStderr();
    const bool held = FolderLock(folder.path(), lock).held();
    const std::string said = testing::internal::GetCapturedStderr();
    EXPECT_FALSE(held);
    EXPECT_THAT(said, AllOf(HasSubstr("warning"), HasSubstr(folder.path().string()),
                            HasSubstr("has no locks")));
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  }
}

TEST(FolderLock, overwrites_no_other_file_by_a_link) {
  const TempFolder folder;
  std::ofstream(folder / "of_another") << "kept";
  std::filesystem::create_symlink("of_another", folder / ".lock");
  EXPECT_THAT(user_error_of([&] { FolderLock(folder.path()); }),
              HasSubstr(".lock: is a symbolic link, not a lock of this program. Remove it"));
  std::filesystem::remove(folder / ".lock");
  std::filesystem::create_hard_link(folder / "of_another", folder / ".lock");
  EXPECT_THAT(user_error_of([&] { FolderLock(folder.path()); }),
              HasSubstr(".lock: is another name of some file, not a lock of this program"));
  EXPECT_EQ(content_of(folder / "of_another"), "kept");
  EXPECT_TRUE(std::filesystem::exists(folder / ".lock"));
}

TEST(FolderLock, refuses_what_is_no_file) {
  for (const auto& kind : no_files()) {
    const TempFolder folder;
    kind.make(folder / ".lock");
    EXPECT_THAT(user_error_of([&] { FolderLock(folder.path()); }),
                AllOf(HasSubstr("/.lock: "), HasSubstr("run.output")))
        << kind.name;
    EXPECT_NE(std::filesystem::symlink_status(folder / ".lock").type(),
              std::filesystem::file_type::regular);
  }
}

TEST(FolderLock, refuses_what_cannot_be_locked_or_written) {
  const TempFolder folder;
  EXPECT_THAT(user_error_of([&] { FolderLock(folder.path(), refuse<EIO>); }),
              HasSubstr("cannot be locked (Input/output error)"));
  EXPECT_THAT(user_error_of([] { FolderLock("/proc"); }),
              AllOf(HasSubstr("/proc/.lock: cannot be written"), HasSubstr("run.output")));
}

TEST(FolderLock, notices_that_its_file_is_gone_or_another) {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "run");
  const FolderLock lock(folder / "run");
  EXPECT_NO_THROW(lock.check());
  std::filesystem::rename(folder / "run", folder / "moved");
  const auto gone = AllOf(HasSubstr("run/.lock"), HasSubstr("another job may be writing"));
  EXPECT_THAT(user_error_of([&] { lock.check(); }), gone);
  std::filesystem::create_directory(folder / "run");
  const FolderLock other(folder / "run");
  EXPECT_THAT(user_error_of([&] { lock.check(); }), gone);
  EXPECT_NO_THROW(other.check());
}

}  // namespace
