// SPDX-License-Identifier: Apache-2.0
#include "io/block_file.hpp"

#include "base/checksum.hpp"
#include "harmofl/base/error.hpp"
#include "io/move_all.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <new>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace harmofl {
namespace {

/// From here on a file takes no room in the page cache.
constexpr std::int64_t large_bytes = std::int64_t{8} << 20;
constexpr std::size_t disk_block_bytes = 4096;  // no less must be asked for past the page cache

int write_at(int descriptor, std::int64_t offset, std::span<const std::byte> bytes) {
  return move_all(bytes.size(), [&](std::size_t done) {
    return pwrite(descriptor, bytes.data() + done, bytes.size() - done,
                  offset + static_cast<off_t>(done));
  });
}

int read_at(int descriptor, std::int64_t offset, std::span<std::byte> bytes) {
  return move_all(bytes.size(), [&](std::size_t done) {
    return pread(descriptor, bytes.data() + done, bytes.size() - done,
                 offset + static_cast<off_t>(done));
  });
}

}  // namespace

BlockFile::BlockFile(const std::filesystem::path& path, BlockMemory memory)
    : memory_(memory),
      descriptor_(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
  HARMOFL_EXPECT(memory.blocks >= 1 && memory.block_bytes > 0);
  HARMOFL_EXPECT(memory.block_bytes % static_cast<std::int64_t>(disk_block_bytes) == 0);
  if (descriptor_ < 0) fail(errno);
  if (error_ == 0) direct_ = open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
}

BlockFile::~BlockFile() {
  if (direct_ >= 0) close(direct_);
  if (descriptor_ >= 0) close(descriptor_);
}

void BlockFile::fail(int error) {
  if (error_ == 0) error_ = error;
}

void BlockFile::write(std::int64_t offset, std::span<const std::byte> bytes) {
  visit(offset, std::ssize(bytes), [&](Block& block, std::byte* place, std::size_t count) {
    std::copy_n(bytes.begin(), count, place);
    bytes = bytes.subspan(count);
    block.changed = true;
  });
}

void BlockFile::read(std::int64_t offset, std::span<std::byte> bytes) {
  visit(offset, std::ssize(bytes), [&](const Block&, const std::byte* place, std::size_t count) {
    std::copy_n(place, count, bytes.begin());
    bytes = bytes.subspan(count);
  });
}

/// Calls `use(block, place, count)` for the parts of the blocks that `count` bytes lie in.
template <class Use>
void BlockFile::visit(std::int64_t offset, std::int64_t count, const Use& use) {
  while (count > 0) {
    const std::int64_t within = offset % memory_.block_bytes;
    const std::int64_t part = std::min(count, memory_.block_bytes - within);
    Block& found = block(offset / memory_.block_bytes);
    use(found, found.memory.get() + within, static_cast<std::size_t>(part));
    offset += part;
    count -= part;
  }
}

BlockFile::Block& BlockFile::block(std::int64_t index) {
  auto found = blocks_.find(index);
  if (found == blocks_.end()) {
    if (std::ssize(blocks_) >= memory_.blocks && error_ == 0) evict_oldest();
    found = blocks_.emplace(index, make_block()).first;
    if (stored_.contains(index)) load(index, bytes(found->second, memory_.block_bytes));
  }
  found->second.last_used = ++uses_;
  return found->second;
}

BlockFile::Block BlockFile::make_block() const {
  const auto size = static_cast<std::size_t>(memory_.block_bytes);
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return {{static_cast<std::byte*>(memory), [size](std::byte* first) { munmap(first, size); }}};
}

void BlockFile::evict_oldest() {
  const auto oldest = std::ranges::min_element(
      blocks_, {}, [](const auto& entry) { return entry.second.last_used; });
  const auto content = bytes(oldest->second, memory_.block_bytes);
  if (oldest->second.changed) {
    store(oldest->first, content);
    stored_[oldest->first] = checksum(content);
  }
  if (error_ == 0) blocks_.erase(oldest);
}

std::span<std::byte> BlockFile::bytes(const Block& block, std::int64_t size) const {
  return {block.memory.get(), static_cast<std::size_t>(size)};
}

void BlockFile::store(std::int64_t index, std::span<const std::byte> bytes) {
  const std::int64_t offset = index * memory_.block_bytes;
  int error = EINVAL;
  if (direct_ >= 0 && bytes.size() % disk_block_bytes == 0) {
    error = write_at(direct_, offset, bytes);
  }
  if (error == EINVAL) error = write_at(descriptor_, offset, bytes);
  if (error != 0) fail(error);
}

// What is read back must be what was written: the checksum of the whole file would vouch for it.
void BlockFile::load(std::int64_t index, std::span<std::byte> bytes) {
  const std::int64_t offset = index * memory_.block_bytes;
  int error = direct_ >= 0 ? read_at(direct_, offset, bytes) : EINVAL;
  if (error == EINVAL) error = read_at(descriptor_, offset, bytes);
  if (error == 0 && checksum(bytes) != stored_.at(index)) error = EIO;
  if (error != 0) fail(error);
}

int BlockFile::finish(std::int64_t size, const Trailer& trailer) {
  if (size < large_bytes && direct_ >= 0) close(std::exchange(direct_, -1));
  Checksum sum;
  for (std::int64_t offset = 0; offset < size && error_ == 0; offset += memory_.block_bytes) {
    const std::int64_t index = offset / memory_.block_bytes;
    const auto found = blocks_.find(index);
    const bool kept = found != blocks_.end();
    const Block fresh = kept ? Block() : make_block();
    const std::span<std::byte> whole = bytes(kept ? found->second : fresh, memory_.block_bytes);
    if (!kept && stored_.contains(index)) load(index, whole);
    const auto content =
        whole.first(static_cast<std::size_t>(std::min(size - offset, memory_.block_bytes)));
    sum.add(content);
    if (!stored_.contains(index) || (kept && found->second.changed)) store(index, content);
    if (kept) blocks_.erase(found);
  }
  const std::string text = trailer && error_ == 0 ? trailer(sum.digest()) : std::string();
  if (error_ == 0) fail(write_at(descriptor_, size, std::as_bytes(std::span(text))));
  const auto end = static_cast<off_t>(size + std::ssize(text));
  if (error_ == 0 && ftruncate(descriptor_, end) != 0) fail(errno);
  // Some network file systems report a full disk here.
  if (descriptor_ >= 0 && close(std::exchange(descriptor_, -1)) != 0) fail(errno);
  return error_;
}

}  // namespace harmofl
