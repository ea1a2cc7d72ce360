// SPDX-License-Identifier: Apache-2.0
#include "base/checksum.hpp"

#include "harmofl/base/error.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <utility>
#include <vector>

namespace harmofl {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 7);
  return text;
}

TEST(Checksum, is_the_published_one_of_nothing) {
  EXPECT_EQ(checksum({}), "99aa06d3014798d86001c324468d497f");  // XXH3, 128 bits, seed 0
}

TEST(Checksum, does_not_depend_on_the_size_of_the_pieces) {
  const std::string text = pattern(5000);
  for (const std::size_t piece : {1U, 7U, 240U, 256U, 1024U, 5000U}) {
    Checksum sum;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      sum.add(bytes_of(text).subspan(at, std::min(piece, text.size() - at)));
    }
    EXPECT_EQ(sum.digest(), checksum(bytes_of(text))) << "pieces of " << piece;
  }
}

TEST(Checksum, sees_a_single_bit) {
  std::string text = pattern(1000);
  const std::string before = checksum(bytes_of(text));
  text[617] = static_cast<char>(text[617] ^ 4);
  EXPECT_NE(checksum(bytes_of(text)), before);
}

TEST(Checksum, can_be_asked_more_than_once) {
  Checksum sum;
  sum.add(bytes_of("abc"));
  EXPECT_EQ(sum.digest(), sum.digest());
  sum.add(bytes_of("def"));
  EXPECT_EQ(sum.digest(), checksum(bytes_of("abcdef")));
}

TEST(Checksum, works_wherever_it_lies) {
  for (int i = 0; i < 16; ++i) {  // the vector code of XXH3 needs aligned state
    auto shifted = std::make_unique<std::pair<char, Checksum>>();
    shifted->second.add(bytes_of(pattern(2000)));
    EXPECT_EQ(shifted->second.digest(), checksum(bytes_of(pattern(2000))));
  }
}

TEST(Checksum, of_a_file_is_that_of_its_bytes) {
  const test::TempFolder folder;
  const std::string text = pattern(200'000);
  std::ofstream(folder / "data", std::ios::binary) << text;
  EXPECT_EQ(file_checksum(folder / "data"), checksum(bytes_of(text)));
  std::ofstream(folder / "empty");
  EXPECT_EQ(file_checksum(folder / "empty"), checksum({}));
}

TEST(Checksum, of_a_missing_file_is_a_user_error) {
  const test::TempFolder folder;
  EXPECT_THROW(file_checksum(folder / "missing"), UserError);
}

}  // namespace
}  // namespace harmofl
