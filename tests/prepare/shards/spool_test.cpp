// SPDX-License-Identifier: Apache-2.0
#include "prepare/shards/spool.hpp"

#include "io/file_size_limit.hpp"
#include "prepare/shards/piece.hpp"
#include "support/errors.hpp"
#include "support/file_content.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <fstream>

namespace {

using namespace harmofl;
using namespace harmofl::prepare;
using test::TempFolder;
using test::user_error_of;
using testing::HasSubstr;

TEST(Spool, keeps_what_an_earlier_call_put_there_for_the_same_purpose) {
  const TempFolder folder;
  {
    Spool spool(folder / "s", "a");
    spool.put(3, "t", "three");
    spool.put(1, "t", "one");
    spool.put(3, "u", "THREE");
  }
  {
    const Spool again(folder / "s", "a");
    EXPECT_EQ(again.get(3), "THREE");
    EXPECT_EQ(again.tag(3), "u");
    EXPECT_EQ(again.get(1), "one");
    EXPECT_EQ(again.tag(2), "");
  }
  const Spool other(folder / "s", "b");
  EXPECT_EQ(other.tag(1), "");
}

TEST(Spool, forgets_what_is_torn_or_changed) {
  const TempFolder folder;
  {
    Spool spool(folder / "s", "a");
    spool.put(0, "t", "zero");
    spool.put(1, "t", "one");
  }
  const std::string whole = test::content_of(folder / "s");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    std::ofstream(folder / "s", std::ios::binary) << whole.substr(0, size);
    if (size > 0 && size < 24) continue;  // not a spool at all
    Spool spool(folder / "s", "a");
    EXPECT_EQ(spool.tag(1), "");
    spool.put(1, "t", "again");
    EXPECT_EQ(spool.get(1), "again");
  }
  for (std::size_t place = 57; place < whole.size(); ++place) {
    std::string changed = whole;
    changed[place] = static_cast<char>(changed[place] ^ 1);
    std::ofstream(folder / "s", std::ios::binary) << changed;
    const Spool spool(folder / "s", "a");
    EXPECT_TRUE(spool.tag(0).empty() || spool.tag(1).empty()) << place;
  }
}

TEST(Spool, belongs_to_one_process_and_takes_no_other_file) {
  const TempFolder folder;
  const Spool spool(folder / "s", "a");
  EXPECT_THAT(user_error_of([&] { Spool(folder / "s", "a"); }),
              HasSubstr("another harmofl-prepare"));
  std::ofstream(folder / "notes") << "precious notes of somebody else";
  EXPECT_THAT(user_error_of([&] { Spool(folder / "notes", "a"); }),
              HasSubstr("there is another one"));
  EXPECT_EQ(test::content_of(folder / "notes"), "precious notes of somebody else");
  std::filesystem::create_symlink(folder / "notes", folder / "link");
  EXPECT_THAT(user_error_of([&] { Spool(folder / "link", "a"); }), HasSubstr("cannot be made"));
}

TEST(Spool, says_that_the_disk_is_full) {
  const TempFolder folder;
  Spool spool(folder / "s", "a");
  const test::FileSizeLimit limit(2000);
  EXPECT_THAT(user_error_of([&] { spool.put(0, "t", std::string(5000, 'x')); }),
              HasSubstr("cannot be written (File too large)"));
}

TEST(Piece, survives_packing) {
  Decoded decoded;
  decoded.source_size = {4, 5};
  decoded.spacing = {0.5, 0.25};
  decoded.checksums = "abc";
  decoded.problem = "none";
  decoded.pieces.push_back({"a", {3, {1, 2}, {1, 2, 3, 4, 5, 6}}, {1, {1, 2}, {0, 1}}, 0});
  decoded.pieces.push_back({"b", {1, {1, 1}, {9}}, {}, 7});
  const std::string bytes = pack(decoded);
  const Decoded found = unpack(bytes);
  EXPECT_EQ(pack(found), bytes);
  EXPECT_EQ(found.pieces[0].mask.values, decoded.pieces[0].mask.values);
  EXPECT_EQ(found.pieces[1].label, 7);
  EXPECT_EQ(found.spacing, decoded.spacing);
  EXPECT_EQ(found.source_size, decoded.source_size);
  EXPECT_THROW(unpack(std::string_view(bytes).substr(0, bytes.size() - 1)), std::out_of_range);
}

}  // namespace
