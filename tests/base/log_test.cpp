// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include "support/errors.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <stdio_ext.h>

#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <unistd.h>

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

TEST(Log, shows_what_a_terminal_would_obey_and_says_an_error_on_one_line) {
  EXPECT_EQ(said(0, 1, [] { log::error("site 'a\n\x1b[2Jb': No."); }),
            "error: site 'a\\n\\x1B[2Jb': No.\n");
  EXPECT_EQ(said(0, 1, [] { log::warn_once("site 'x\r\xe4': Slow."); }),
            "warning: site 'x\\r\\xE4': Slow.\n");
  EXPECT_EQ(said(0, 1, [] { log::info("plan\n  a\x1b[2J"); }), "plan\n  a\\x1B[2J\n");
}

TEST(Log, draws_progress_where_it_is_wanted_and_makes_way_for_lines) {
  log::show_progress(true, -1);
  EXPECT_EQ(said(0, 2,
                 [] {
                   log::progress("round 1");
                   log::progress("round 2");
                   log::info("done");
                   log::info("ended");
                 }),
            "\r\033[Kround 1\r\033[Kround 2\r\033[Kdone\nended\n");
  // Another rank draws none, but its lines may follow one.
  EXPECT_EQ(said(1, 2,
                 [] {
                   log::progress("round 1");
                   log::error("No.");
                 }),
            "\r\033[Kerror: No.\n");
  log::show_progress(false, -1);
  EXPECT_EQ(said(0, 2,
                 [] {
                   log::progress("round 1");
                   log::info("done");
                 }),
            "done\n");
  EXPECT_EQ(said(1, 2, [] { log::error("No."); }), "error: No.\n");
}

TEST(Log, cuts_progress_off_before_the_last_column) {
  log::show_progress(true, -1);  // a width that is not known: 80 columns
  const std::string text = said(0, 1, [] { log::progress(std::string(100, 'x')); });
  EXPECT_EQ(text, "\r\033[K" + std::string(79, 'x'));
  said(0, 1, [] { log::clear_progress(); });
  log::show_progress(false, -1);
}

TEST(Log, cuts_between_characters) {
  EXPECT_EQ(log::cut("ab", 5), "ab");
  EXPECT_EQ(log::cut("äöü", 2), "äö");
  EXPECT_EQ(log::cut("äöü", 0), "");
  EXPECT_EQ(log::cut("äöü", -1), "");
}

/// What `action` writes to standard output.
std::string answered(const std::function<void()>& action) {
  testing::internal::CaptureStdout();
  action();
  return testing::internal::GetCapturedStdout();
}

/// Puts another descriptor in the place of a standard stream for its life.
class Redirected {
 public:
  Redirected(int stream, int descriptor) : stream_(stream), kept_(dup(stream)) {
    EXPECT_EQ(dup2(descriptor, stream), stream);
  }
  ~Redirected() {
    dup2(kept_, stream_);
    close(kept_);
  }
  Redirected(const Redirected&) = delete;
  Redirected& operator=(const Redirected&) = delete;

 private:
  int stream_;
  int kept_;
};

TEST(Answer, is_written_as_it_is_but_for_what_a_terminal_would_obey) {
  EXPECT_EQ(answered([] { log::answer("a  1\nb\x1b[2J  2\n"); }), "a  1\nb\\x1B[2J  2\n");
}

TEST(Answer, that_cannot_be_written_is_an_error) {
  const test::TempFolder folder;
  std::ofstream(folder / "file").flush();
  const int unwritable = open((folder / "file").c_str(), O_RDONLY);
  std::string message;
  {
    std::fflush(stdout);
    const Redirected to(STDOUT_FILENO, unwritable);
    message = test::user_error_of([] { log::answer("text\n"); });
    clearerr(stdout);
    __fpurge(stdout);
  }
  close(unwritable);
  EXPECT_EQ(message,
            "standard output cannot be written (Bad file descriptor). Free space where it goes, or "
            "send it elsewhere.");
}

TEST(StandardStreams, that_are_closed_are_held_so_that_no_file_takes_their_place) {
  const test::TempFolder folder;
  std::fflush(stdout);
  const int kept = dup(STDOUT_FILENO);
  close(STDOUT_FILENO);
  log::keep_standard_streams();
  const int opened = open((folder / "file").c_str(), O_CREAT | O_WRONLY, 0600);
  const ssize_t written = write(STDOUT_FILENO, "x", 1);
  dup2(kept, STDOUT_FILENO);
  close(kept);
  close(opened);
  EXPECT_NE(opened, STDOUT_FILENO);
  EXPECT_EQ(written, -1);
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
