// SPDX-License-Identifier: Apache-2.0
#include "io/formats/json.hpp"

#include "support/errors.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <cmath>

namespace {

using namespace harmofl;
using nlohmann::json;
using test::user_error_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

std::string json_error_of(const std::string& text, int max_depth = 4) {
  try {
    parse_json(text, max_depth);
  } catch (const JsonError& error) {
    return error.what();
  }
  return "";
}

JsonValue value_of(const json& value) { return {value, "x.h5", "Mend it."}; }

TEST(Json, is_what_was_written) {
  const json value = {{"a", {1, 2.5, "x", nullptr, true}}, {"b", json::object()}};
  EXPECT_EQ(parse_json(value.dump(), 4), value);
}

TEST(Json, is_refused_when_it_nests_deeper_than_asked_for) {
  EXPECT_EQ(parse_json("[[[1]]]", 3).dump(), "[[[1]]]");
  EXPECT_THAT(json_error_of("[[[1]]]", 2), HasSubstr("nests values deeper than 2"));
  const std::string open(2'000'000, '[');
  EXPECT_THAT(json_error_of(open), HasSubstr("deeper"));
  EXPECT_THAT(json_error_of(open + std::string(open.size(), ']')), HasSubstr("deeper"));
  std::string objects;
  for (int i = 0; i < 500'000; ++i) objects += R"({"a":)";
  EXPECT_THAT(json_error_of(objects), HasSubstr("deeper"));
}

TEST(Json, is_refused_with_a_key_that_stands_twice_in_one_object) {
  EXPECT_THAT(json_error_of(R"({"a":1,"b":{"a":2},"a":3})"), HasSubstr("'a' twice"));
  EXPECT_EQ(json_error_of(R"({"a":{"c":1},"b":{"c":1}})"), "");
  EXPECT_THAT(json_error_of("{\"\\n\":1,\"\\n\":2}"), HasSubstr(R"('\n' twice)"));
}

TEST(Json, is_refused_in_one_short_line) {
  const std::string damaged[] = {"",          "{",
                                 R"({"a":})", "nul",
                                 "1 2",       "{\"a\n\":1}",
                                 "\"\xff\"",  "1e999",
                                 "[1,2,",     "\"" + std::string(10'000, 'x')};
  for (const std::string& text : damaged) {
    EXPECT_THAT(json_error_of(text), AllOf(HasSubstr("is not JSON"), Not(HasSubstr("\n"))));
    EXPECT_LT(json_error_of(text).size(), 100U);
  }
}

TEST(JsonValue, is_given_with_the_type_that_is_asked_for) {
  const json value = {{"yes", true},     {"n", -3},     {"x", 0.5},
                      {"none", nullptr}, {"t", "text"}, {"list", {1, 2}}};
  const JsonValue all = value_of(value);
  EXPECT_TRUE(all.at("yes").boolean());
  EXPECT_EQ(all.at("n").whole({}), -3);
  EXPECT_EQ(all.at("x").finite(), 0.5);
  EXPECT_EQ(all.at("n").finite(), -3.0);
  EXPECT_TRUE(std::isnan(all.at("none").number()));
  EXPECT_EQ(all.at("t").text(), "text");
  EXPECT_EQ(all.at("list").items().at(1).whole({0, 2}), 2);
  EXPECT_THAT(all.members(), SizeIs(6));
  EXPECT_FALSE(all.find("absent"));
}

TEST(JsonValue, of_another_kind_is_refused_by_its_place) {
  const json value = {{"log", {{"best", "x"}, {"of", {{"a b", {1, 2, "z"}}}}}}};
  const JsonValue log = value_of(value).at("log");
  EXPECT_EQ(user_error_of([&] { log.at("best").whole({-1}); }),
            "x.h5: log.best: expected a whole number of at least -1, found \"x\". Mend it.");
  EXPECT_EQ(user_error_of([&] { log.at("worst"); }), "x.h5: log: 'worst' is missing. Mend it.");
  EXPECT_THAT(user_error_of([&] { log.at("best").members(); }), HasSubstr("expected an object"));
  EXPECT_THAT(user_error_of([&] { log.at("best").find("x"); }), HasSubstr("expected an object"));
  EXPECT_THAT(user_error_of([&] { log.at("best").items(); }), HasSubstr("expected a list"));
  EXPECT_THAT(user_error_of([&] { log.at("best").boolean(); }), HasSubstr("true or false"));
  EXPECT_THAT(user_error_of([&] { log.at("best").finite(); }), HasSubstr("a finite number"));
  EXPECT_THAT(user_error_of([&] { log.text(); }), HasSubstr("expected a text"));
  const JsonValue list = log.at("of").members().at(0).second;
  EXPECT_THAT(user_error_of([&] { list.items().at(2).whole({}); }),
              HasSubstr("x.h5: log.of.'a b'.2: expected a whole number, found \"z\""));
}

TEST(JsonValue, is_a_whole_number_only_within_its_range) {
  for (const char* text : {"1.0", "4", "0", "-1", "9223372036854775808", "18446744073709551615",
                           "true", "null", "\"1\"", "[1]"}) {
    const json value = json::parse(text);
    EXPECT_THAT(user_error_of([&] { value_of(value).whole({1, 3}); }),
                HasSubstr("expected a whole number from 1 to 3, found"))
        << text;
  }
}

TEST(JsonValue, is_shown_in_part_where_it_is_long) {
  const std::string text = shown(json(std::string(1'000, '\n')));
  EXPECT_THAT(text, AllOf(Not(HasSubstr("\n")), HasSubstr("\\n\\n"), testing::EndsWith("...")));
  EXPECT_LT(text.size(), 100U);
  EXPECT_THAT(text, testing::StartsWith("\"\\n"));
}

}  // namespace
