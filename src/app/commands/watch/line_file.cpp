// SPDX-License-Identifier: Apache-2.0
#include "app/commands/watch/line_file.hpp"

#include "harmofl/base/error.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace harmofl {
namespace {

/// Closes a file at the end of a scope.
struct OpenFile {
  int descriptor;
  ~OpenFile() { close(descriptor); }
};

/// The bytes from `offset` to the end.
std::string rest_of(int descriptor, std::int64_t offset, const std::string& name) {
  std::string text;
  std::string part(1 << 16, '\0');
  for (;;) {
    const ssize_t count = pread(descriptor, part.data(), part.size(), offset + std::ssize(text));
    if (count < 0 && errno == EINTR) continue;
    HARMOFL_VALIDATE(count >= 0, name, ": cannot be read (", std::strerror(errno),
                     "). See that its disk is there, then watch again.");
    if (count == 0) return text;
    text.append(part, 0, static_cast<std::size_t>(count));
  }
}

}  // namespace

LineFile::News LineFile::read() {
  const std::string name = path_.string();
  const int descriptor = open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0 && (errno == ENOENT || errno == ESTALE)) {
    const bool was_there = offset_ > 0;
    offset_ = 0;
    return {was_there};
  }
  HARMOFL_VALIDATE(descriptor >= 0, name, ": cannot be read (", std::strerror(errno),
                   "). Ask its owner for the right to read it.");
  const OpenFile file{descriptor};
  struct stat found = {};
  HARMOFL_VALIDATE(fstat(descriptor, &found) == 0 && S_ISREG(found.st_mode), name,
                   ": is not a file. Give the folder of a run.");
  News news;
  const bool same = found.st_dev == device_ && found.st_ino == inode_ && found.st_size >= offset_;
  news.from_the_start = !same && offset_ > 0;
  if (!same) offset_ = 0;
  device_ = found.st_dev;
  inode_ = found.st_ino;
  const std::string text = rest_of(descriptor, offset_, name);
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    news.lines.push_back(text.substr(begin, end - begin));
  }
  offset_ += static_cast<std::int64_t>(begin);
  return news;
}

double written_at_s(const std::filesystem::path& path) {
  struct stat found = {};
  if (stat(path.c_str(), &found) != 0) return -1.0;
  return static_cast<double>(found.st_mtim.tv_sec) +
         1e-9 * static_cast<double>(found.st_mtim.tv_nsec);
}

}  // namespace harmofl
