// SPDX-License-Identifier: Apache-2.0
#include "io/atomic_file.hpp"

#include "harmofl/base/error.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <system_error>
#include <unistd.h>

namespace harmofl {
namespace {

constexpr std::string_view infix =
    ".tmp.";  // between the file's name and the process that writes it

constexpr const char* remedy = "Free space on the disk or choose a folder that you may write to.";

[[noreturn]] void fail(const std::filesystem::path& file, const char* doing, int error) {
  throw UserError(concat(file.string(), ": ", doing, ": ", std::strerror(error), ". ", remedy));
}

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

/// Makes what was written to `path` outlive a loss of power. Returns 0 or the error's number.
int sync(const std::filesystem::path& path, int flags) {
  const int descriptor = open(path.c_str(), flags | O_CLOEXEC);
  if (descriptor < 0) return errno;
  const int error = fsync(descriptor) == 0 ? 0 : errno;
  close(descriptor);
  return error;
}

/// Writes all of `text`; returns 0 or the error's number.
int write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

/// Replaces the content of `path` in place by `text`. Returns 0 or the error's number.
int overwrite(const std::filesystem::path& path, std::string_view text) {
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) return errno;
  const int error = write_all(descriptor, text);
  const bool closed = close(descriptor) == 0;  // some network file systems report a full disk here
  return error == 0 && !closed ? errno : error;
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path target) : target_(std::move(target)) {
  const std::filesystem::path folder = folder_of(target_);
  HARMOFL_VALIDATE(std::filesystem::is_directory(folder), target_.string(), ": the folder ",
                   folder.string(), " does not exist. Create it first.");
  temporary_ = folder / concat(".", target_.filename().string(), infix, getpid());
  const int descriptor = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) fail(target_, "cannot be written", errno);
  close(descriptor);
}

AtomicFile::~AtomicFile() {
  if (!committed_) unlink(temporary_.c_str());
}

void AtomicFile::flush() {
  if (const int error = sync_file(temporary_)) fail(target_, "cannot be written", error);
  flushed_ = true;
}

void AtomicFile::commit() {
  HARMOFL_EXPECT(!committed_);
  if (!flushed_) flush();
  if (std::rename(temporary_.c_str(), target_.c_str()) != 0) {
    fail(target_, "cannot be put in place", errno);
  }
  committed_ = true;
  // Some file systems do not sync folders (EINVAL); the file itself is safe by then.
  sync(folder_of(target_), O_RDONLY | O_DIRECTORY);
}

std::string target_of_temporary(const std::string& name) {
  const std::size_t end = name.rfind(infix);
  if (!name.starts_with('.') || end == std::string::npos || end < 2) return {};
  const std::string process = name.substr(end + infix.size());
  const bool is_number = process.find_first_not_of("0123456789") == std::string::npos;
  return is_number && !process.empty() ? name.substr(1, end - 1) : std::string();
}

int sync_file(const std::filesystem::path& path) { return sync(path, O_RDWR); }

void write_text_file(const std::filesystem::path& target, std::string_view text) {
  AtomicFile file(target);
  if (const int error = overwrite(file.temporary(), text)) {
    fail(target, "cannot be written", error);
  }
  file.commit();
}

}  // namespace harmofl
