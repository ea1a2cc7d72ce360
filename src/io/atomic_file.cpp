// SPDX-License-Identifier: Apache-2.0
#include "io/atomic_file.hpp"

#include "base/range.hpp"
#include "base/read_file.hpp"
#include "harmofl/base/error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <iomanip>
#include <random>
#include <sstream>
#include <string>
#include <system_error>
#include <unistd.h>

namespace harmofl {
namespace {

constexpr std::string_view infix =
    ".tmp.";  // between the file's name and what tells its writers apart
constexpr std::size_t random_digits = 16;  // hexadecimal, behind the process and a '-'

constexpr const char* remedy = "Free space on the disk or choose a folder that you may write to.";

[[noreturn]] void fail(const std::filesystem::path& file, const char* doing, int error) {
  throw UserError(concat(file.string(), ": ", doing, ": ", std::strerror(error), ". ", remedy));
}

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

/// Makes what was written to `path` outlive a loss of power. Returns 0 or the error's number.
int sync(const std::filesystem::path& path, int flags) {
  const Range range("sync to disk");
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

/// Writes `text` to `path`, opened with `flags` too. Returns 0 or the error's number.
int write_with(int flags, const std::filesystem::path& path, std::string_view text) {
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666);
  if (descriptor < 0) return errno;
  const int error = write_all(descriptor, text);
  const bool closed = close(descriptor) == 0;  // some network file systems report a full disk here
  return error == 0 && !closed ? errno : error;
}

/// "4711-09f1c3a85e2b7d46": processes of several containers or hosts may have the same number.
std::string writer_name() {
  std::random_device random;
  std::ostringstream name;
  name << getpid() << '-' << std::hex << std::setfill('0');
  for (int i = 0; i < 2; ++i) name << std::setw(random_digits / 2) << random();
  return name.str();
}

bool consists_of(std::string_view text, std::string_view characters) {
  return !text.empty() && text.find_first_not_of(characters) == std::string_view::npos;
}

/// Whether this is what `writer_name` gives, or the process alone, as earlier versions wrote it.
bool is_writer_name(std::string_view text) {
  const std::size_t dash = std::min(text.find('-'), text.size());
  const bool random = text.size() == dash + 1 + random_digits &&
                      consists_of(text.substr(dash + 1), "0123456789abcdef");
  return consists_of(text.substr(0, dash), "0123456789") && (dash == text.size() || random);
}

}  // namespace

void check_replaceable(const std::filesystem::path& target) {
  std::error_code failed;
  const std::filesystem::path folder = folder_of(target);
  HARMOFL_VALIDATE(std::filesystem::is_directory(folder, failed), target.string(), ": the folder ",
                   folder.string(), " does not exist. Create it first.");
  const auto found = std::filesystem::symlink_status(target, failed).type();
  if (found == std::filesystem::file_type::not_found ||
      found == std::filesystem::file_type::regular) {
    return;
  }
  const bool link = found == std::filesystem::file_type::symlink;
  throw UserError(concat(
      target.string(), ": cannot be written over: ", link ? "it is a link" : why_not_a_file(target),
      ". Only a file is replaced: give another name, or remove what is there."));
}

AtomicFile::AtomicFile(std::filesystem::path target) : target_(std::move(target)) {
  check_replaceable(target_);
  temporary_ = folder_of(target_) / concat(".", target_.filename().string(), infix, writer_name());
  const int descriptor = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
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
  check_replaceable(target_);  // the file may have been long in the making
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
  const bool ours = is_writer_name(std::string_view(name).substr(end + infix.size()));
  return ours ? name.substr(1, end - 1) : std::string();
}

int append_text(const std::filesystem::path& path, std::string_view text) {
  return write_with(O_APPEND | O_NOFOLLOW, path, text);
}

int sync_file(const std::filesystem::path& path) { return sync(path, O_RDWR); }

void write_text_file(const std::filesystem::path& target, std::string_view text) {
  AtomicFile file(target);
  if (const int error = write_with(O_TRUNC, file.temporary(), text)) {
    fail(target, "cannot be written", error);
  }
  file.commit();
}

}  // namespace harmofl
