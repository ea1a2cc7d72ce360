// SPDX-License-Identifier: Apache-2.0
#include "io/atomic_file.hpp"

#include "harmofl/base/error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <string>
#include <system_error>
#include <unistd.h>

namespace harmofl {
namespace {

constexpr std::string_view infix =
    ".tmp.";  // between the file's name and the process that writes it
/// Size from which on a file takes no room in the page cache: a checkpoint is not read by the run
/// that writes it.
constexpr std::size_t large_bytes = std::size_t{8} << 20;
constexpr std::size_t piece_bytes = std::size_t{4} << 20;  // of a large file, at a time
constexpr std::size_t block_bytes = 4096;                  // of disks; no less must be asked for

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

bool set_direct(int descriptor, bool on) {
  const int flags = fcntl(descriptor, F_GETFL);
  return flags >= 0 && fcntl(descriptor, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

/// Writes the whole blocks of a large `text` past the page cache, as far as the file system does
/// that, and takes them from `text`. Returns 0 or the error's number.
int write_past_cache(int descriptor, std::string_view& text) {
  const auto release = [](char* memory) { std::free(memory); };
  const std::unique_ptr<char, decltype(release)> aligned(
      static_cast<char*>(std::aligned_alloc(block_bytes, piece_bytes)), release);
  if (!aligned || !set_direct(descriptor, true)) return 0;
  int error = 0;
  while (error == 0 && text.size() >= block_bytes) {
    const std::size_t size = std::min(piece_bytes, text.size() / block_bytes * block_bytes);
    std::memcpy(aligned.get(), text.data(), size);
    const ssize_t written = write(descriptor, aligned.get(), size);
    if (written < 0) {
      if (errno != EINTR) error = errno;
      continue;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
    if (static_cast<std::size_t>(written) < size) break;
  }
  if (!set_direct(descriptor, false)) return error == 0 ? errno : error;
  return error == EINVAL ? 0 : error;
}

/// Writes all of `text`; returns 0 or the error's number.
int write_all(int descriptor, std::string_view text) {
  if (text.size() >= large_bytes) {
    if (const int error = write_past_cache(descriptor, text)) return error;
  }
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
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

int overwrite_file(const std::filesystem::path& path,
                   std::initializer_list<std::string_view> parts) {
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) return errno;
  int error = 0;
  for (const std::string_view part : parts) {
    if (error == 0) error = write_all(descriptor, part);
  }
  const bool closed = close(descriptor) == 0;  // some network file systems report a full disk here
  return error == 0 && !closed ? errno : error;
}

void write_text_file(const std::filesystem::path& target, std::string_view text) {
  AtomicFile file(target);
  if (const int error = overwrite_file(file.temporary(), {text})) {
    fail(target, "cannot be written", error);
  }
  file.commit();
}

}  // namespace harmofl
