// SPDX-License-Identifier: Apache-2.0
// The main of every test executable. Under mpirun it makes a failure on one rank a failure of the
// test: exit codes are all-reduced, and a fatal failure (ASSERT_*), after which the other ranks
// would wait for ever, ends the job. Alone it starts no MPI unless mpirun started it, so that unit
// tests stay fast and can be listed by ctest.
#include "base/log.hpp"
#include "comm/communicator.hpp"
#include "support/world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

constexpr int all_skipped = 77;  // SKIP_RETURN_CODE of ctest, see tests/CMakeLists.txt

using harmofl::Communicator;
using harmofl::MpiSession;

/// Tells failures with their rank; takes the place of GoogleTest's own printer on ranks above 0.
class RankListener : public testing::EmptyTestEventListener {
 public:
  RankListener(std::int64_t rank, std::int64_t size) : rank_(rank), size_(size) {}

  void OnTestStart(const testing::TestInfo& test) override {
    name_ = std::string(test.test_suite_name()) + "." + test.name();
  }

  /// GoogleTest calls this with its lock held: asking it for the current test would wait for ever.
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::fprintf(stderr, "[rank %ld of %ld] %s: %s:%d: %s\n", static_cast<long>(rank_),
                 static_cast<long>(size_), name_.c_str(),
                 result.file_name() == nullptr ? "?" : result.file_name(), result.line_number(),
                 result.summary());
    std::fflush(stderr);
    if (result.fatally_failed() && size_ > 1) MpiSession::abort(harmofl::ExitCode::rank_failure);
  }

 private:
  std::int64_t rank_;
  std::int64_t size_;
  std::string name_ = "outside tests";
};

const Communicator* world_of_tests = nullptr;

bool only_skips() {
  const testing::UnitTest& all = *testing::UnitTest::GetInstance();
  return all.skipped_test_count() > 0 && all.skipped_test_count() == all.test_to_run_count();
}

int run(const Communicator& world) {
  world_of_tests = &world;
  const bool failed = world.any(RUN_ALL_TESTS() != 0);
  const bool skipped = !world.any(!only_skips());
  world_of_tests = nullptr;
  if (failed) return 1;
  return skipped ? all_skipped : 0;
}

int run_on_ranks(int argc, char** argv) {
  const MpiSession session(argc, argv);
  const Communicator world = Communicator::world();
  harmofl::log::set_rank(static_cast<int>(world.rank().value()), static_cast<int>(world.size()));
  testing::TestEventListeners& listeners = testing::UnitTest::GetInstance()->listeners();
  if (!world.is_root()) delete listeners.Release(listeners.default_result_printer());
  listeners.Append(new RankListener(world.rank().value(), world.size()));
  return run(world);
}

}  // namespace

const harmofl::Communicator& harmofl::test::world() { return *world_of_tests; }

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const bool under_mpirun = std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr;
  return under_mpirun ? run_on_ranks(argc, argv) : run(Communicator::serial());
}
