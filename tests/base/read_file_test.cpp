// SPDX-License-Identifier: Apache-2.0
#include "base/read_file.hpp"

#include "support/errors.hpp"
#include "support/memory.hpp"
#include "support/no_files.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <fstream>

namespace harmofl {
namespace {

using test::user_error_of;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

TEST(WhyNotAFile, says_what_stands_there) {
  const test::TempFolder folder;
  std::ofstream(folder / "file").flush();
  std::filesystem::create_symlink("file", folder / "link");
  EXPECT_EQ(why_not_a_file(folder / "file"), "");
  EXPECT_EQ(why_not_a_file(folder / "link"), "");
  EXPECT_EQ(why_not_a_file(folder / "absent"), "there is no such file");
  EXPECT_EQ(why_not_a_file(folder / "file" / "below"), "there is no such file");
  for (const test::NoFile& kind : test::no_files()) {
    kind.make(folder / kind.name);
    EXPECT_EQ(why_not_a_file(folder / kind.name), kind.described);
  }
  std::filesystem::create_symlink("circle", folder / "circle");
  EXPECT_THAT(why_not_a_file(folder / "circle"), HasSubstr("symbolic links"));
}

TEST(WhyNotAFile, says_what_may_not_be_looked_at) {
  const test::TempFolder folder;  // its owner's alone
  std::ofstream(folder / "file").flush();
  const test::AsNobody nobody(folder.path());
  EXPECT_EQ(why_not_a_file(folder / "file"), "Permission denied");
}

TEST(ReadTextFile, returns_every_byte) {
  const test::TempFolder folder;
  std::string text(200'000, 'x');
  text[70'000] = '\0';
  text[70'001] = '\n';
  std::ofstream(folder / "long", std::ios::binary) << text;
  EXPECT_EQ(read_text_file(folder / "long"), text);
  std::ofstream(folder / "empty").flush();
  EXPECT_EQ(read_text_file(folder / "empty"), "");
}

TEST(ReadTextFile, refuses_what_is_no_file_and_does_not_wait_for_it) {
  const test::TempFolder folder;
  for (const test::NoFile& kind : test::no_files()) {
    kind.make(folder / kind.name);
    EXPECT_THAT(user_error_of([&] { read_text_file(folder / kind.name); }),
                AllOf(StartsWith((folder / kind.name).string()),
                      HasSubstr(concat("cannot be read (", kind.described, ")")),
                      EndsWith("Check that the file is there and that you may read it.")));
  }
  EXPECT_THAT(user_error_of([&] { read_text_file(folder / "absent"); }),
              HasSubstr("absent: cannot be read (there is no such file)"));
}

TEST(ReadTextFile, says_that_reading_failed) {
  // Opens, and fails when it is read: at address 0 there is nothing.
  EXPECT_THAT(user_error_of([] { read_text_file("/proc/self/mem"); }),
              HasSubstr("/proc/self/mem: cannot be read (Input/output error)"));
}

TEST(ReadTextFile, says_that_the_file_may_not_be_read) {
  const test::TempFolder folder;
  std::ofstream(folder / "file").flush();
  std::filesystem::permissions(folder / "file", std::filesystem::perms::none);
  std::filesystem::permissions(folder.path(), std::filesystem::perms::all);
  const test::AsNobody nobody(folder.path());
  EXPECT_THAT(user_error_of([&] { read_text_file(folder / "file"); }),
              HasSubstr("file: cannot be read (Permission denied)"));
}

TEST(ReadTextFile, takes_the_mark_off_utf8_and_refuses_utf16) {
  const test::TempFolder folder;
  const auto holding = [&](const std::string& text) {
    std::ofstream(folder / "text", std::ios::binary) << text;
    return folder / "text";
  };
  EXPECT_EQ(read_text_file(holding("\xEF\xBB\xBF[run]\n")), "[run]\n");
  EXPECT_EQ(read_text_file(holding("\xEF\xBB")), "\xEF\xBB");
  for (const std::string& text : {std::string("\xFF\xFE[\0", 4), std::string("\xFE\xFF\0[", 4)}) {
    EXPECT_THAT(user_error_of([&] { read_text_file(holding(text)); }),
                EndsWith("text: is a text in UTF-16. Save it as UTF-8."));
  }
}

TEST(ReadTextFile, takes_no_memory_for_what_no_text_is) {
  const test::TempFolder folder;
  std::ofstream(folder / "huge").flush();
  std::filesystem::resize_file(folder / "huge", std::uintmax_t{1} << 40);  // without blocks
  std::string message;
  const std::int64_t grown = test::memory_growth(
      [&] { message = user_error_of([&] { read_text_file(folder / "huge"); }); });
  EXPECT_THAT(message, HasSubstr("huge: is longer than 1.0 GiB"));
  EXPECT_LT(grown, 16 * test::mebibyte);
}

}  // namespace
}  // namespace harmofl
