// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

/// What `work` writes to standard error when this process is `rank` of `size`.
template <class Work>
std::string said(int rank, int size, const Work& work) {
  log::set_rank(rank, size);
  testing::internal::CaptureStderr();
  work();
  log::set_rank(0, 1);
  return testing::internal::GetCapturedStderr();
}

TEST(Log, info_is_said_by_rank_zero_alone) {
  EXPECT_EQ(said(0, 2, [] { log::info("Round 1"); }), "Round 1\n");
  EXPECT_EQ(said(1, 2, [] { log::info("Round 1"); }), "");
}

TEST(Log, errors_name_the_rank_when_there_are_several) {
  EXPECT_EQ(said(0, 1, [] { log::error("No."); }), "error: No.\n");
  EXPECT_EQ(said(1, 2, [] { log::error("No."); }), "error: No.\n");
}

TEST(Log, warnings_are_said_once) {
  const std::string text = said(0, 1, [] {
    log::warn_once("Slow disk.");
    log::warn_once("Slow disk.");
    log::warn_once("Slow network.");
  });
  EXPECT_EQ(text, "warning: Slow disk.\nwarning: Slow network.\n");
}

TEST(Log, progress_stays_out_of_files) {
  EXPECT_EQ(said(0, 1,
                 [] {
                   log::progress("50 %");
                   log::clear_progress();
                 }),
            "");
}

}  // namespace
}  // namespace harmofl
