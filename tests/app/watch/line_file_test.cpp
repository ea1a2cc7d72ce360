// SPDX-License-Identifier: Apache-2.0
// Lines of a file that grows, is replaced, and ends in the middle of one.
#include "app/commands/watch/line_file.hpp"

#include "io/atomic_file.hpp"
#include "support/errors.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <filesystem>

namespace harmofl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(LineFile, gives_each_line_once_when_its_end_is_there) {
  const test::TempFolder folder;
  LineFile file(folder / "lines");
  EXPECT_THAT(file.read().lines, IsEmpty());
  append_text(folder / "lines", "one\ntwo\nthr");
  EXPECT_THAT(file.read().lines, ElementsAre("one", "two"));
  EXPECT_THAT(file.read().lines, IsEmpty());
  append_text(folder / "lines", "ee\n");
  const LineFile::News news = file.read();
  EXPECT_THAT(news.lines, ElementsAre("three"));
  EXPECT_FALSE(news.from_the_start);
}

TEST(LineFile, starts_anew_with_a_file_that_was_replaced_or_cut) {
  const test::TempFolder folder;
  LineFile file(folder / "lines");
  append_text(folder / "lines", "one\ntwo\n");
  EXPECT_FALSE(file.read().from_the_start);
  write_text_file(folder / "lines", "one\nTWO\nthree\n");
  LineFile::News news = file.read();
  EXPECT_TRUE(news.from_the_start);
  EXPECT_THAT(news.lines, ElementsAre("one", "TWO", "three"));
  std::filesystem::resize_file(folder / "lines", 4);
  news = file.read();
  EXPECT_TRUE(news.from_the_start);
  EXPECT_THAT(news.lines, ElementsAre("one"));
  std::filesystem::remove(folder / "lines");
  EXPECT_TRUE(file.read().from_the_start);
  EXPECT_FALSE(file.read().from_the_start);
}

TEST(LineFile, refuses_what_is_not_a_file) {
  const test::TempFolder folder;
  std::filesystem::create_directory(folder / "lines");
  LineFile file(folder / "lines");
  EXPECT_THAT(test::user_error_of([&] { file.read(); }),
              HasSubstr((folder / "lines").string() + ": is not a file."));
}

}  // namespace
}  // namespace harmofl
