// SPDX-License-Identifier: Apache-2.0
#include "io/input_file.hpp"

#include "io/move_all.hpp"

#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace harmofl {
namespace {

/// Throws UnreadableFile for what is not a regular file.
struct stat facts_of(int descriptor, const std::filesystem::path& path) {
  struct stat facts {};
  if (fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    throw UnreadableFile(concat(path.string(), ": this is not a regular file. Check the path."));
  }
  return facts;
}

/// When a file was last written to, in nanoseconds.
std::int64_t written_ns(const struct stat& facts) {
  return std::int64_t{facts.st_mtim.tv_sec} * 1'000'000'000 + facts.st_mtim.tv_nsec;
}

}  // namespace

// Without waiting for who might write to a pipe of that name.
InputFile::InputFile(std::filesystem::path path)
    : path_(std::move(path)), descriptor_(open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (descriptor_ < 0) fail(errno);
  try {
    const struct stat facts = facts_of(descriptor_, path_);
    size_ = facts.st_size;
    written_ns_ = written_ns(facts);
  } catch (const UnreadableFile&) {
    close(descriptor_);
    throw;
  }
}

InputFile::~InputFile() { close(descriptor_); }

void InputFile::read(std::int64_t offset, std::span<std::byte> bytes) const {
  const int error = move_all(bytes.size(), [&](std::size_t done) {
    return pread(descriptor_, bytes.data() + done, bytes.size() - done,
                 static_cast<off_t>(offset) + static_cast<off_t>(done));
  });
  if (error != 0) fail(error);
}

bool InputFile::changed() const {
  const struct stat facts = facts_of(descriptor_, path_);
  return facts.st_size != size_ || written_ns(facts) != written_ns_;
}

void InputFile::fail(int error) const {
  if (error == ENOENT) {
    throw UnreadableFile(concat(path_.string(), ": there is no such file. Check the path."));
  }
  throw UnreadableFile(concat(path_.string(), ": cannot be read (", std::strerror(error),
                              "), so that it may be whole. Make it readable and try again."));
}

}  // namespace harmofl
