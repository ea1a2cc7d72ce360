// SPDX-License-Identifier: Apache-2.0
#include "io/scratch_file.hpp"

#include "harmofl/base/error.hpp"
#include "io/move_all.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <unistd.h>
#include <utility>

namespace harmofl {

void ScratchFile::fail(const char* doing, int error) const {
  throw UserError(concat(folder_.string(), ": ", words_.what, " cannot be ", doing, " (",
                         std::strerror(error), "). ", words_.remedy));
}

ScratchFile::ScratchFile(std::filesystem::path folder, ScratchWords words)
    : folder_(std::move(folder)), words_(std::move(words)) {
  std::string pattern = (folder_ / ".harmofl-scratch-XXXXXX").string();
  descriptor_ = mkstemp(pattern.data());
  if (descriptor_ < 0) fail("made", errno);
  unlink(pattern.c_str());
}

ScratchFile::~ScratchFile() { close(descriptor_); }

void ScratchFile::put(std::int64_t key, const std::string& bytes) {
  const auto size = static_cast<std::int64_t>(bytes.size());
  const auto known = records_.find(key);
  if (known != records_.end() && known->second.capacity < size) drop(key);
  if (!records_.contains(key)) records_[key] = place_for(size);
  Record& record = records_[key];
  record.size = size;
  const int error = move_all(bytes.size(), [&](std::size_t done) {
    return pwrite(descriptor_, bytes.data() + done, bytes.size() - done,
                  record.offset + static_cast<off_t>(done));
  });
  if (error != 0) fail("written", error);
}

std::string ScratchFile::get(std::int64_t key) const {
  const Record& record = records_.at(key);
  std::string bytes(static_cast<std::size_t>(record.size), '\0');
  const int error = move_all(bytes.size(), [&](std::size_t done) {
    return pread(descriptor_, bytes.data() + done, bytes.size() - done,
                 record.offset + static_cast<off_t>(done));
  });
  if (error != 0) fail("read", error);
  return bytes;
}

void ScratchFile::drop(std::int64_t key) {
  const auto found = records_.find(key);
  if (found == records_.end()) return;
  free_.emplace(found->second.capacity, found->second.offset);
  records_.erase(found);
}

/// The smallest unused place that is large enough, else a new one at the end.
ScratchFile::Record ScratchFile::place_for(std::int64_t size) {
  const auto fitting = free_.lower_bound(size);
  if (fitting == free_.end()) return {std::exchange(end_, end_ + size), size, size};
  const Record record{fitting->second, size, fitting->first};
  free_.erase(fitting);
  return record;
}

}  // namespace harmofl
