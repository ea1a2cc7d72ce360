// SPDX-License-Identifier: Apache-2.0
// How NCCL connects the ranks, and what becomes of them when it does not.
#include "comm/stand_in/fixture.hpp"

namespace harmofl {
namespace {

using stand_in::counts;
using stand_in::faults;
using test::is_last_rank;
using testing::HasSubstr;

class NcclConnects : public test::StandIn {
 protected:
  /// What every rank says when they could not be connected.
  static std::string failure(double limit_s) {
    return test::error_of<RankFailure>([&] { connect(TransportKind::nccl, limit_s); });
  }
  static void expect_all_aborted() {
    EXPECT_EQ(counts().connected, 0);
    EXPECT_EQ(counts().destroyed, 0);
    EXPECT_EQ(counts().aborted, 1);
  }
};

TEST_F(NcclConnects, ranks_and_lets_them_go_in_good_order) {
  {
    const auto transport = connect();
    EXPECT_EQ(transport->name(), "nccl");
    EXPECT_TRUE(transport->on_gpu());
    EXPECT_EQ(counts().connected, 1);
    EXPECT_EQ(counts().destroyed, 0);
  }
  EXPECT_EQ(counts().destroyed, 1);
  EXPECT_EQ(counts().aborted, 0);
}

TEST_F(NcclConnects, no_ranks_of_which_one_never_comes_and_says_so_when_the_limit_is_over) {
  faults().never_connects = is_last_rank();
  const std::string message = failure(0.3);
  EXPECT_THAT(message, HasSubstr(concat("has not connected the ", test::world().size(),
                                        " ranks within 0.3 s")));
  EXPECT_THAT(message, HasSubstr("comm.timeout"));
  expect_all_aborted();
}

TEST_F(NcclConnects, no_ranks_of_which_one_fails_and_lets_all_know) {
  faults().fails_to_connect = is_last_rank();
  EXPECT_THAT(failure(60.0), HasSubstr("NCCL failed to connect the ranks"));
  expect_all_aborted();
}

TEST_F(NcclConnects, the_others_again_after_a_failure) {
  faults().fails_to_connect = is_last_rank();
  failure(60.0);
  faults().fails_to_connect = false;
  EXPECT_EQ(test::summed<float>(*connect()), test::sums_over_ranks<float>());
}

TEST_F(NcclConnects, ranks_without_a_limit_too) {
  EXPECT_EQ(test::summed<float>(*connect(TransportKind::nccl, 0.0)),
            test::sums_over_ranks<float>());
}

TEST_F(NcclConnects, ranks_that_do_not_take_leave_and_aborts_them_then) {
  connect();
  faults().never_takes_leave = is_last_rank();
  connect();
  EXPECT_EQ(counts().aborted, is_last_rank() ? 1 : 0);
  EXPECT_EQ(counts().destroyed, is_last_rank() ? 1 : 2);
}

}  // namespace
}  // namespace harmofl
