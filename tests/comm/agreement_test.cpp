// SPDX-License-Identifier: Apache-2.0
#include "comm/communicator.hpp"
#include "support/world.hpp"

#include <gmock/gmock.h>

#include <stdexcept>

namespace harmofl {
namespace {

using test::world;

/// What `agree` throws when `work` runs on every rank.
template <class Expected>
std::string message_of_agree(const std::function<void()>& work) {
  try {
    world().agree(work);
  } catch (const Expected& error) {
    return error.what();
  }
  return "nothing of the expected type was thrown";
}

std::string with_rank(std::int64_t rank, const std::string& text) {
  return world().size() == 1 ? text : concat("rank ", rank, ": ", text);
}

TEST(Agree, runs_the_work_once_when_all_is_well) {
  int runs = 0;
  world().agree([&] { ++runs; });
  EXPECT_EQ(runs, 1);
}

TEST(Agree, throws_everywhere_what_one_rank_threw) {
  for (std::int64_t failing = 0; failing < world().size(); ++failing) {
    const std::string message = message_of_agree<UserError>([&] {
      if (world().rank().value() == failing) throw UserError("a.h5: cannot be opened.");
    });
    EXPECT_EQ(message, with_rank(failing, "a.h5: cannot be opened."));
  }
}

TEST(Agree, names_no_rank_when_all_say_the_same) {
  EXPECT_EQ(message_of_agree<UsageError>([] { throw UsageError("Unknown key."); }), "Unknown key.");
}

TEST(Agree, takes_the_lowest_rank_when_texts_differ) {
  const std::string message = message_of_agree<UserError>(
      [&] { throw UserError(concat("file ", world().rank(), " is damaged.")); });
  EXPECT_EQ(message, with_rank(0, "file 0 is damaged."));
}

TEST(Agree, keeps_the_exit_code_of_the_lowest_failing_rank) {
  const std::int64_t last = world().size() - 1;
  try {
    world().agree([&] {
      if (world().rank().value() == last) throw Error(ExitCode::interrupted, "stopped.");
    });
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::interrupted);
  }
}

TEST(Agree, passes_on_exceptions_of_other_libraries) {
  const std::string message =
      message_of_agree<std::runtime_error>([] { throw std::runtime_error("out of memory"); });
  EXPECT_EQ(message, "out of memory");
}

TEST(Agree, leaves_the_communicator_usable) {
  EXPECT_THROW(world().agree([] { throw UserError("no."); }), UserError);
  std::vector<std::int64_t> one{1};
  world().all_reduce_sum(std::span<std::int64_t>(one));
  EXPECT_EQ(one[0], world().size());
}

}  // namespace
}  // namespace harmofl
