// SPDX-License-Identifier: Apache-2.0
#include "prepare/shards/spool.hpp"

#include "base/checksum.hpp"
#include "harmofl/base/error.hpp"
#include "io/move_all.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <span>
#include <string_view>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace harmofl::prepare {
namespace {

constexpr std::size_t checksum_digits = 32;

/// What stands before the tag and the bytes of a record.
struct Head {
  std::int64_t number = 0;
  std::int64_t tag_bytes = 0;
  std::int64_t bytes = 0;
  char checksum[checksum_digits] = {};  ///< Of the numbers above, the tag and the bytes.
};

std::string checksum_of(const Head& head, const std::string& tag, const std::string& bytes) {
  Checksum sum;
  for (const std::int64_t number : {head.number, head.tag_bytes, head.bytes}) {
    sum.add(std::as_bytes(std::span(&number, 1)));
  }
  sum.add(std::as_bytes(std::span(tag)));
  sum.add(std::as_bytes(std::span(bytes)));
  return sum.digest();
}

/// What every spool begins with.
constexpr std::string_view kind = "harmofl-prepare spool 1 ";

std::string title_of(const std::string& purpose) {
  return concat(kind, checksum(std::as_bytes(std::span(purpose))), "\n");
}

}  // namespace

Spool::Spool(std::filesystem::path path, const std::string& purpose) : path_(std::move(path)) {
  descriptor_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
  if (descriptor_ < 0) fail("made", errno);
  struct stat found = {};
  if (fstat(descriptor_, &found) != 0 || !S_ISREG(found.st_mode)) fail("made", EINVAL);
  lock();
  end_ = found.st_size;
  const bool spool = end_ >= std::ssize(kind) && read(0, std::ssize(kind)) == kind;
  HARMOFL_VALIDATE(spool || end_ == 0, path_.string(), ": a file of decoded images was to be made ",
                   "here, but there is another one. Move it, or choose another --output.");
  const std::string title = title_of(purpose);
  const bool ours = end_ >= std::ssize(title) && read(0, std::ssize(title)) == title;
  if (!ours) write(0, title);
  end_ = ours ? read_records(std::ssize(title)) : std::ssize(title);
  if (ftruncate(descriptor_, end_) != 0) fail("written", errno);
}

Spool::~Spool() {
  if (descriptor_ >= 0) close(descriptor_);
}

void Spool::lock() const {
  HARMOFL_VALIDATE(flock(descriptor_, LOCK_EX | LOCK_NB) == 0, path_.string(),
                   ": cannot be locked (", std::strerror(errno),
                   "): another harmofl-prepare makes this shard. Wait for it, ",
                   "or choose another --output.");
}

std::int64_t Spool::read_records(std::int64_t offset) {
  Head head;
  while (end_ - offset >= std::int64_t{sizeof(head)}) {
    std::memcpy(&head, read(offset, sizeof(head)).data(), sizeof(head));
    const std::int64_t left = end_ - offset - std::int64_t{sizeof(head)};
    const bool fits = head.tag_bytes >= 0 && head.tag_bytes <= left && head.bytes >= 0 &&
                      head.bytes <= left - head.tag_bytes;
    if (!fits) break;
    const std::int64_t place = offset + std::int64_t{sizeof(head)};
    const std::string tag = read(place, head.tag_bytes);
    const std::string sum = checksum_of(head, tag, read(place + head.tag_bytes, head.bytes));
    if (sum != std::string_view(head.checksum, checksum_digits)) break;
    places_[head.number] = {place + head.tag_bytes, head.bytes, sum, tag};
    offset = place + head.tag_bytes + head.bytes;
  }
  return offset;
}

std::string Spool::tag(std::int64_t number) const {
  const std::lock_guard held(mutex_);
  const auto found = places_.find(number);
  return found == places_.end() ? std::string() : found->second.tag;
}

void Spool::put(std::int64_t number, const std::string& tag, const std::string& bytes) {
  Head head{number, std::ssize(tag), std::ssize(bytes)};
  const std::string sum = checksum_of(head, tag, bytes);
  sum.copy(head.checksum, checksum_digits);
  std::string record(reinterpret_cast<const char*>(&head), sizeof(head));
  record += tag;
  const std::int64_t before = std::ssize(record);
  record += bytes;
  const std::lock_guard held(mutex_);
  write(end_, record);
  places_[number] = {end_ + before, std::ssize(bytes), sum, tag};
  end_ += std::ssize(record);
}

std::string Spool::get(std::int64_t number) const {
  Place place;
  {
    const std::lock_guard held(mutex_);
    place = places_.at(number);
  }
  std::string bytes = read(place.offset, place.size);
  const Head head{number, std::ssize(place.tag), place.size};
  HARMOFL_VALIDATE(checksum_of(head, place.tag, bytes) == place.checksum, path_.string(),
                   ": was changed while it was used. Remove it and call again.");
  return bytes;
}

void Spool::remove() { unlink(path_.c_str()); }

std::string Spool::read(std::int64_t offset, std::int64_t size) const {
  std::string bytes(static_cast<std::size_t>(size), '\0');
  const int error = move_all(bytes.size(), [&](std::size_t done) {
    return pread(descriptor_, bytes.data() + done, bytes.size() - done,
                 offset + static_cast<off_t>(done));
  });
  if (error != 0) fail("read", error);
  return bytes;
}

void Spool::write(std::int64_t offset, const std::string& bytes) const {
  const int error = move_all(bytes.size(), [&](std::size_t done) {
    return pwrite(descriptor_, bytes.data() + done, bytes.size() - done,
                  offset + static_cast<off_t>(done));
  });
  if (error != 0) fail("written", error);
}

void Spool::fail(const char* doing, int error) const {
  throw UserError(concat(path_.string(), ": the file of decoded images cannot be ", doing, " (",
                         std::strerror(error), "). Free space, or choose another --output."));
}

}  // namespace harmofl::prepare
