// SPDX-License-Identifier: Apache-2.0
#ifndef HARMOFL_CHECKS  // contracts on, whatever the build
#define HARMOFL_CHECKS
#endif
#include "harmofl/base/error.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using testing::HasSubstr;

void validate_rounds(int rounds) {
  HARMOFL_VALIDATE(rounds > 0, "rounds is ", rounds, ", but must be positive. Give 1 or more.");
}

TEST(MessageOf, an_error_of_libtorch_is_without_its_trace) {
  const std::runtime_error error(
      "can't allocate memory\nException raised from alloc_cpu at alloc.cpp:1 (most recent call "
      "first):\nframe #0: c10::Error\n");
  EXPECT_EQ(message_of(error), "can't allocate memory");
  EXPECT_EQ(message_of(std::runtime_error("no trace")), "no trace");
  EXPECT_NE(message_of(std::bad_alloc()).find("not enough memory"), std::string::npos);
}

TEST(Error, validate_passes_what_is_valid) { EXPECT_NO_THROW(validate_rounds(1)); }

TEST(Error, validate_throws_a_user_error_with_the_streamed_text) {
  try {
    validate_rounds(-2);
    FAIL() << "nothing was thrown";
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(), "rounds is -2, but must be positive. Give 1 or more.");
    EXPECT_EQ(error.exit_code(), ExitCode::user_error);
  }
}

TEST(Error, shows_what_a_c_string_would_end_at) {
  EXPECT_STREQ(UserError(std::string("a\0b. Remedy.", 12)).what(), "a\\x00b. Remedy.");
}

TEST(Error, leaves_out_the_middle_of_an_endless_value) {
  const std::string value(5'000'000, '1');
  const std::string message = UserError("fleet.csv:2: speed = " + value + ". Correct it.").what();
  EXPECT_LT(message.size(), 1500u);
  EXPECT_TRUE(message.starts_with("fleet.csv:2: speed = 111"));
  EXPECT_TRUE(message.ends_with("111. Correct it."));
  EXPECT_NE(message.find("1 [...] 1"), std::string::npos);
}

TEST(Error, kinds_have_their_exit_codes) {
  EXPECT_EQ(UserError("").exit_code(), ExitCode::user_error);
  EXPECT_EQ(UsageError("").exit_code(), ExitCode::usage);
  EXPECT_EQ(RankFailure("").exit_code(), ExitCode::rank_failure);
  EXPECT_EQ(static_cast<int>(ExitCode::interrupted), 75) << "EX_TEMPFAIL of sysexits.h";
}

TEST(Error, broken_contracts_name_kind_condition_and_place) {
  const auto broken = [](const auto& work) -> std::string {
    try {
      work();
    } catch (const ContractViolation& error) {
      return error.what();
    }
    return "nothing was thrown";
  };
  const int size = 3;
  EXPECT_THAT(broken([&] { HARMOFL_EXPECT(size == 4); }),
              AllOf(HasSubstr("precondition broken: size == 4"), HasSubstr("error_test.cpp:")));
  EXPECT_THAT(broken([&] { HARMOFL_ASSERT(size == 4); }), HasSubstr("invariant broken"));
  EXPECT_THAT(broken([&] { HARMOFL_ENSURE(size == 4); }), HasSubstr("postcondition broken"));
  EXPECT_EQ(broken([&] { HARMOFL_EXPECT(size == 3); }), "nothing was thrown");
}

}  // namespace
}  // namespace harmofl
