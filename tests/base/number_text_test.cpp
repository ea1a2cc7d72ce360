// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/number_text.hpp"

#include "harmofl/base/text.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <locale>

namespace harmofl {
namespace {

using testing::Eq;
using testing::Optional;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();

TEST(ParseNumber, takes_decimals_exponents_and_signs) {
  EXPECT_THAT(parse_number("0"), Optional(0.0));
  EXPECT_THAT(parse_number("0.25"), Optional(0.25));
  EXPECT_THAT(parse_number("-3"), Optional(-3.0));
  EXPECT_THAT(parse_number("+3"), Optional(3.0));
  EXPECT_THAT(parse_number(".5"), Optional(0.5));
  EXPECT_THAT(parse_number("5."), Optional(5.0));
  EXPECT_THAT(parse_number("1e-3"), Optional(1e-3));
  EXPECT_THAT(parse_number("1E+3"), Optional(1000.0));
}

TEST(ParseNumber, rounds_to_the_nearest_double) {
  EXPECT_THAT(parse_number("0.1"), Optional(0.1));
  EXPECT_THAT(parse_number("1.7976931348623157e308"), Optional(std::numeric_limits<double>::max()));
  EXPECT_THAT(parse_number("4.9e-324"), Optional(std::numeric_limits<double>::denorm_min()));
}

TEST(ParseNumber, takes_infinity_of_both_signs) {
  EXPECT_THAT(parse_number("inf"), Optional(infinity));
  EXPECT_THAT(parse_number("-inf"), Optional(-infinity));
  EXPECT_THAT(parse_number("Infinity"), Optional(infinity));
}

TEST(ParseNumber, leaves_spaces_and_tabs_around_aside) {
  EXPECT_THAT(parse_number("  0.5\t"), Optional(0.5));
  EXPECT_THAT(parse_number("1 2"), Eq(std::nullopt));
  EXPECT_THAT(parse_number("- 1"), Eq(std::nullopt));
  EXPECT_THAT(parse_number("1\n"), Eq(std::nullopt));
}

TEST(ParseNumber, refuses_what_is_not_all_a_number) {
  for (const char* text :
       {"",      " ",     "+",    "-",   ".",      "e3",  "abc",  "1a",    "1,5",
        "1e",    "0.1.2", "+-1",  "-+1", "++1",    "--1", "0x10", "0x1p3", "1_000",
        "infty", "nan",   "-nan", "NaN", "nan(1)", "1f",  "1%"}) {
    EXPECT_THAT(parse_number(text), Eq(std::nullopt)) << "'" << text << "'";
  }
}

TEST(ParseNumber, refuses_what_a_double_does_not_hold) {
  EXPECT_THAT(parse_number("1e309"), Eq(std::nullopt));
  EXPECT_THAT(parse_number("-1e309"), Eq(std::nullopt));
  EXPECT_THAT(parse_number("1e-400"), Eq(std::nullopt));
}

TEST(ParseNumber, reads_no_further_than_the_view) {
  const std::string text = "12345";
  EXPECT_THAT(parse_number(std::string_view(text).substr(0, 2)), Optional(12.0));
  EXPECT_THAT(parse_number(std::string_view("1\0002", 3)), Eq(std::nullopt));
}

TEST(ParseWhole, takes_digits_and_a_sign) {
  EXPECT_THAT(parse_whole("0"), Optional(0));
  EXPECT_THAT(parse_whole("-7"), Optional(-7));
  EXPECT_THAT(parse_whole("+7"), Optional(7));
  EXPECT_THAT(parse_whole(" 007 "), Optional(7));
  EXPECT_THAT(parse_whole("9223372036854775807"), Optional(most));
  EXPECT_THAT(parse_whole("-9223372036854775808"), Optional(least));
}

TEST(ParseWhole, refuses_what_is_not_all_a_whole_number) {
  for (const char* text : {"", " ", "+", "-", "1.0", "1.", "1e3", "0x10", "ten", "1 2", "+-1",
                           "inf", "nan", "1,000", "9223372036854775808", "-9223372036854775809"}) {
    EXPECT_THAT(parse_whole(text), Eq(std::nullopt)) << "'" << text << "'";
  }
}

TEST(NumberRange, holds_finite_numbers_between_its_bounds) {
  EXPECT_FALSE(above(0.0).holds(0.0));
  EXPECT_TRUE(above(0.0).holds(1e-300));
  EXPECT_TRUE(at_least(0.0).holds(0.0));
  EXPECT_FALSE(at_least(0.0).holds(-1e-300));
  EXPECT_TRUE(from_to(0.0, 1.0).holds(1.0));
  EXPECT_FALSE(from_to(0.0, 1.0).holds(1.5));
  EXPECT_FALSE(from_to_below(0.0, 1.0).holds(1.0));
  EXPECT_TRUE(from_to_below(0.0, 1.0).holds(0.0));
  for (const NumberRange& range : {NumberRange{}, above(0.0), at_least(0.0)}) {
    EXPECT_TRUE(range.holds(1e308));
    EXPECT_FALSE(range.holds(infinity));
    EXPECT_FALSE(range.holds(-infinity));
    EXPECT_FALSE(range.holds(std::numeric_limits<double>::quiet_NaN()));
  }
}

TEST(NumberRange, says_what_it_holds) {
  EXPECT_EQ(NumberRange{}.text(), "a number");
  EXPECT_EQ(above(0.0).text(), "a number above 0");
  EXPECT_EQ(at_least(1e-6).text(), "a number of at least 1e-06");
  EXPECT_EQ(from_to(0.0, 1.0).text(), "a number from 0 to 1");
  EXPECT_EQ(from_to_below(0.0, 0.5).text(), "a number from 0 to below 0.5");
}

TEST(WholeRange, holds_its_bounds_and_says_them) {
  const WholeRange digits{0, 9};
  EXPECT_TRUE(digits.holds(0) && digits.holds(9));
  EXPECT_FALSE(digits.holds(-1) || digits.holds(10));
  EXPECT_EQ(digits.text(), "a whole number from 0 to 9");
  EXPECT_TRUE(WholeRange{1}.holds(most));
  EXPECT_EQ(WholeRange{1}.text(), "a whole number of at least 1");
  EXPECT_EQ(WholeRange{}.text(), "a whole number");
}

/// Decimals as a German would write them.
struct Comma : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
};

/// A locale with a decimal comma while it lives.
struct CommaScope {
  const std::locale before = std::locale::global(std::locale(std::locale(), new Comma));
  ~CommaScope() { std::locale::global(before); }
};

TEST(NumberText, does_not_depend_on_the_locale) {
  const CommaScope scope;
  ASSERT_EQ(concat(1.5), "1,5");  // the scope works
  EXPECT_THAT(parse_number("1.5"), Optional(1.5));
  EXPECT_THAT(parse_number("1,5"), Eq(std::nullopt));
  EXPECT_EQ(exact_text(1.5), "1.5");
}

TEST(ExactText, is_read_again_to_the_bit) {
  for (const double value : {0.1, -0.0, 1.0 / 3.0, 1e22, 5e-324, infinity, -infinity}) {
    const auto again = parse_number(exact_text(value));
    ASSERT_TRUE(again) << value;
    EXPECT_EQ(std::signbit(*again), std::signbit(value));
    EXPECT_EQ(*again, value);
  }
  EXPECT_EQ(exact_text(0.1), "0.1");
}

}  // namespace
}  // namespace harmofl
