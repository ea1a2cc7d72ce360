// SPDX-License-Identifier: Apache-2.0
#include "io/block_file.hpp"

#include "base/checksum.hpp"
#include "io/file_size_limit.hpp"
#include "support/file_content.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

namespace {

using harmofl::BlockFile;
using harmofl::BlockMemory;
using harmofl::test::content_of;
using harmofl::test::FileSizeLimit;
using harmofl::test::TempFolder;

constexpr BlockMemory small{.block_bytes = 4096, .blocks = 3};

void write(BlockFile& file, std::int64_t offset, const std::string& text) {
  file.write(offset, std::as_bytes(std::span(text)));
}

std::string read(BlockFile& file, std::int64_t offset, std::size_t count) {
  std::string text(count, '\0');
  file.read(offset, std::as_writable_bytes(std::span(text)));
  return text;
}

std::string checksum_of(const std::string& text) {
  return harmofl::checksum(std::as_bytes(std::span(text)));
}

/// Text in which no two blocks are alike.
std::string numbered_text(std::size_t length) {
  std::string text;
  for (std::size_t i = 0; text.size() < length; ++i) text += std::to_string(i) + "\n";
  return text.substr(0, length);
}

/// Expects `path` to hold `expected` and `seal` after it.
void finish_and_expect(BlockFile& file, const std::filesystem::path& path,
                       const std::string& expected) {
  std::string sealed;
  ASSERT_EQ(file.finish(std::ssize(expected),
                        [&](const std::string& checksum) {
                          sealed = checksum;
                          return std::string("seal");
                        }),
            0);
  EXPECT_EQ(sealed, checksum_of(expected));
  EXPECT_TRUE(content_of(path) == expected + "seal");
}

TEST(BlockFile, holds_what_was_written_in_any_order_and_over_each_other) {
  const TempFolder folder;
  constexpr std::int64_t most = 100'000;
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937 draw(seed);
    BlockFile file(folder / "x", small);
    std::string expected(most, '\0');
    for (int i = 0; i < 200; ++i) {
      const std::size_t offset = draw() % most;
      const std::size_t count = std::min<std::size_t>(draw() % 10'000, most - offset);
      std::string text(count, '\0');
      std::ranges::generate(text, [&] { return static_cast<char>(draw()); });
      write(file, static_cast<std::int64_t>(offset), text);
      expected.replace(offset, count, text);
      const std::size_t other = draw() % (most - 5000);
      ASSERT_TRUE(read(file, static_cast<std::int64_t>(other), 5000) ==
                  expected.substr(other, 5000));
    }
    expected.resize(draw() % most);  // what lies behind is cut off
    finish_and_expect(file, folder / "x", expected);
  }
}

TEST(BlockFile, fills_gaps_with_zeros) {
  const TempFolder folder;
  BlockFile file(folder / "x", small);
  std::string expected(20 * 4096 + 7, '\0');
  for (const std::size_t place : {std::size_t{0}, std::size_t{5 * 4096 + 1}, expected.size() - 1}) {
    write(file, static_cast<std::int64_t>(place), "x");
    expected[place] = 'x';
  }
  finish_and_expect(file, folder / "x", expected);
}

TEST(BlockFile, may_be_empty_and_leaves_nothing_of_before) {
  const TempFolder folder;
  std::ofstream(folder / "x") << numbered_text(9000);
  BlockFile file(folder / "x", small);
  finish_and_expect(file, folder / "x", "");
}

TEST(BlockFile, writes_large_files_to_the_byte) {
  const TempFolder folder;
  for (const std::size_t length : {std::size_t{8} << 20, (std::size_t{77} << 20) + 4099}) {
    const std::string large = numbered_text(length);
    BlockFile file(folder / "x");
    write(file, 0, large);
    finish_and_expect(file, folder / "x", large);
  }
}

TEST(BlockFile, notices_that_the_disk_changed_what_was_put_there) {
  const TempFolder folder;
  BlockFile file(folder / "x", small);
  const std::string text = numbered_text(10 * 4096);
  write(file, 0, text);
  std::fstream(folder / "x", std::ios::in | std::ios::out | std::ios::binary).seekp(5000).put('!');
  EXPECT_EQ(file.finish(std::ssize(text), {}), EIO);
}

TEST(BlockFile, keeps_the_first_error_and_goes_on_in_memory) {
  const TempFolder folder;
  const std::string text = numbered_text(20 * 4096);
  const FileSizeLimit limit(2 * 4096);
  BlockFile file(folder / "x", small);
  write(file, 0, text);
  EXPECT_EQ(file.error(), EFBIG);
  write(file, 4 * 4096, "more");
  EXPECT_EQ(read(file, 4 * 4096, 4), "more");
  EXPECT_EQ(file.finish(std::ssize(text), {}), EFBIG);
}

TEST(BlockFile, tells_that_the_disk_is_full_at_its_end) {
  const TempFolder folder;
  const FileSizeLimit limit(5000);
  BlockFile file(folder / "x", small);
  write(file, 0, numbered_text(6000));
  EXPECT_EQ(file.error(), 0);
  EXPECT_EQ(file.finish(6000, {}), EFBIG);
}

TEST(BlockFile, tells_that_it_cannot_be_made) {
  const TempFolder folder;
  BlockFile file(folder / "none" / "x");
  write(file, 0, "x");
  EXPECT_EQ(file.finish(1, {}), ENOENT);
}

}  // namespace
