// SPDX-License-Identifier: Apache-2.0
#include "io/checkpoint/folder_lock.hpp"

#include "base/log.hpp"
#include "base/read_file.hpp"
#include "harmofl/base/error.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <iomanip>
#include <string>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace harmofl {
namespace {

/// "process 4711 on node3, Slurm job 88, since 2026-01-31 12:00:00 UTC"
std::string own_name() {
  char host[256] = "an unknown host";
  gethostname(host, sizeof host - 1);
  const char* job = std::getenv("SLURM_JOB_ID");
  const std::time_t now = std::time(nullptr);
  return concat("process ", getpid(), " on ", host,
                job == nullptr ? "" : concat(", Slurm job ", job), ", since ",
                std::put_time(std::gmtime(&now), "%F %T UTC"));
}

std::string holder_of(const std::filesystem::path& file) {
  std::string name;
  std::getline(std::ifstream(file), name);
  return name.empty() ? "a process that did not leave its name" : name;
}

bool has_no_locks(int error) { return error == ENOLCK || error == ENOSYS || error == EOPNOTSUPP; }

/// Whether the open file is still the one of that name: its holder may have removed it between our
/// opening and our locking.
bool is_in_place(int descriptor, const std::filesystem::path& file) {
  struct stat opened = {};
  struct stat named = {};
  return fstat(descriptor, &opened) == 0 && stat(file.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/// Opens the lock file, which is made where there is none. Throws UserError where it is not a file
/// of this name alone: its content will be overwritten, and must not be that of another file.
int open_lock(const std::filesystem::path& file) {
  constexpr int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  const int descriptor = open(file.c_str(), flags, 0666);
  const int error = errno;
  const char* remedy = ". Remove it, or set run.output to another folder.";
  HARMOFL_VALIDATE(descriptor >= 0 || error != ELOOP, file.string(),
                   ": is a symbolic link, not a lock of this program", remedy);
  HARMOFL_VALIDATE(descriptor >= 0, file.string(), ": cannot be written (", std::strerror(error),
                   "). Set run.output to a folder that you may write.");
  struct stat found = {};
  const bool ours = fstat(descriptor, &found) == 0 && S_ISREG(found.st_mode) && found.st_nlink <= 1;
  if (ours) return descriptor;
  close(descriptor);
  throw UserError(
      concat(file.string(), ": ",
             S_ISREG(found.st_mode) ? "is another name of some file" : why_not_a_file(file),
             ", not a lock of this program", remedy));
}

}  // namespace

FolderLock::FolderLock(const std::filesystem::path& folder, LockFunction lock)
    : file_(folder / ".lock") {
  while (!try_to_hold(lock == nullptr ? ::flock : lock)) {
  }
  if (held_) sign();
}

FolderLock::~FolderLock() {
  if (!held_) return;
  unlink(file_.c_str());  // before the lock ends with the descriptor: it may be another's after
  close(descriptor_);
}

// False when the file was removed meanwhile and another one is to be tried.
bool FolderLock::try_to_hold(LockFunction lock) {
  descriptor_ = open_lock(file_);
  const int error = lock(descriptor_, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
  held_ = error == 0 && is_in_place(descriptor_, file_);
  if (held_) return true;
  close(descriptor_);
  if (error == 0 || error == EINTR) return false;
  HARMOFL_VALIDATE(error != EWOULDBLOCK, file_.string(),
                   ": another job writes to this run folder: ", holder_of(file_),
                   ". Wait for it, end it, or set run.output to another folder.");
  HARMOFL_VALIDATE(has_no_locks(error), file_.string(), ": cannot be locked (",
                   std::strerror(error), "). Set run.output to a folder of another file system.");
  unlink(file_.c_str());
  log::warn_once(concat(file_.parent_path().string(), ": its file system has no locks (",
                        std::strerror(error),
                        "), so that a second job in this run folder would not be noticed. See to "
                        "it that there is one only."));
  return true;
}

void FolderLock::check() const {
  HARMOFL_VALIDATE(
      !held_ || is_in_place(descriptor_, file_), file_.string(),
      ": this job has lost its lock: the run folder was moved, or the file ",
      "removed, and another job may be writing here. Put the folder back, see that no ",
      "other job runs in it, and --resume.");
}

// A full disk may swallow the name; the lock holds all the same.
void FolderLock::sign() const {
  const std::string name = own_name() + "\n";
  if (ftruncate(descriptor_, 0) != 0) return;
  const ssize_t written = pwrite(descriptor_, name.data(), name.size(), 0);
  static_cast<void>(written);
}

}  // namespace harmofl
