// SPDX-License-Identifier: Apache-2.0
#include "io/formats/zip_archive.hpp"

#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace harmofl {
namespace {

/// An archive that Python's zipfile made: "text" is "harmofl " a hundred times, deflated to 18
/// bytes; "plain" is "as it is", stored.
constexpr std::string_view archive_in_hex =
    "504b0304140000000800000021004fc5681312000000200300000400000074657874cb482ccacd4fcb51"
    "c818a547e9511a830600504b030414000000000000002100b3244e96080000000800000005000000706c"
    "61696e6173206974206973504b01021403140000000800000021004fc568131200000020030000040000"
    "00000000000000000080010000000074657874504b0102140314000000000000002100b3244e96080000"
    "0008000000050000000000000000000000800134000000706c61696e504b050600000000020002006500"
    "00005f0000000000";

std::string archive() {
  std::string bytes;
  for (std::size_t i = 0; i < archive_in_hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(archive_in_hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string hundred_times(std::string_view word) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += word;
  return text;
}

class DeflatedEntries : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& bytes) {
    std::ofstream(folder_ / "a.zip", std::ios::binary) << bytes;
    return folder_ / "a.zip";
  }

 private:
  test::TempFolder folder_;
};

TEST_F(DeflatedEntries, are_read_where_they_are_allowed) {
  ZipArchive zip(write(archive()), ZipEntries::stored_or_deflated);
  EXPECT_EQ(zip.first(), "text");
  EXPECT_EQ(zip.size("text"), 800U);
  EXPECT_EQ(text_of(zip.read("text")), hundred_times("harmofl "));
  EXPECT_EQ(text_of(zip.read("plain")), "as it is");
  EXPECT_THROW(ZipArchive(write(archive())), ZipError);
}

TEST_F(DeflatedEntries, are_read_in_pieces_of_any_size) {
  ZipArchive zip(write(archive()), ZipEntries::stored_or_deflated);
  ZipArchive::Stream stream = zip.open("text");
  std::string text;
  for (std::size_t size = 1; text.size() < 800; ++size) {
    std::vector<std::byte> piece(std::min(size, 800 - text.size()));
    stream.read(piece);
    text += text_of(piece);
  }
  EXPECT_EQ(text, hundred_times("harmofl "));
  std::vector<std::byte> more(1);
  EXPECT_THROW(stream.read(more), ZipError);
}

TEST_F(DeflatedEntries, that_are_damaged_are_refused) {
  const std::size_t content =
      std::string_view("PK__").size() + 26 + std::string_view("text").size();
  const std::size_t last = content + 17;  // behind the end of the text it has bits without meaning
  for (std::size_t i = content; i < last; ++i) {
    std::string bytes = archive();
    bytes[i] = static_cast<char>(bytes[i] ^ 0x04);
    ZipArchive zip(write(bytes), ZipEntries::stored_or_deflated);
    EXPECT_THROW(zip.read("text"), ZipError) << i;
  }
}

}  // namespace
}  // namespace harmofl
