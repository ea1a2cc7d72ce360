// SPDX-License-Identifier: Apache-2.0
#include "io/formats/csv.hpp"

#include "support/errors.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using test::error_of;
using testing::HasSubstr;

TEST(Csv, reads_quotes_line_ends_and_empty_fields) {
  const CsvTable table =
      parse_csv("id,rule,note\r\n1,\"a, \"\"b\"\"\nc\",\r\n\r\n2,plain,end", "x.csv");
  EXPECT_THAT(table.columns, testing::ElementsAre("id", "rule", "note"));
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.rows[0].at("rule"), "a, \"b\"\nc");
  EXPECT_EQ(table.rows[0].at("note"), "");
  EXPECT_THAT(table.lines, testing::ElementsAre(2, 5));
  EXPECT_EQ(table.rows[1].at("note"), "end");
}

TEST(Csv, names_the_line_that_is_wrong) {
  EXPECT_THAT(error_of([] { parse_csv("a,b\n1,2\n3\n", "x.csv"); }),
              HasSubstr("x.csv:3: expected 2 fields as in the header, found 1"));
  EXPECT_THAT(error_of([] { parse_csv("a,b\n\"1,2\n", "x.csv"); }),
              HasSubstr("x.csv:2: the quote"));
  EXPECT_THAT(error_of([] { parse_csv("a\n\"1\"2\n", "x.csv"); }), HasSubstr("x.csv:2: expected"));
  EXPECT_THAT(error_of([] { parse_csv("", "x.csv"); }), HasSubstr("the list is empty"));
  EXPECT_THAT(error_of([] { parse_csv("a,b,a\n", "x.csv"); }),
              HasSubstr("x.csv:1: the column 'a' stands there twice"));
}

TEST(Csv, writes_fields_that_it_reads_back) {
  for (const std::string text : {"plain", "a,b", "\"quoted\"", "two\nlines", ""}) {
    const CsvTable table = parse_csv("x,y\n" + csv_field(text) + ",1\n", "x.csv");
    EXPECT_EQ(table.rows.at(0).at("x"), text);
  }
}

}  // namespace
}  // namespace harmofl
