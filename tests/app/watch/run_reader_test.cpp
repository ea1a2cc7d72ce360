// SPDX-License-Identifier: Apache-2.0
// A run folder, read while it is written.
#include "app/commands/watch/run_reader.hpp"

#include "io/atomic_file.hpp"
#include "support/errors.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <ctime>
#include <filesystem>
#include <sys/wait.h>
#include <unistd.h>

namespace harmofl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// A run of two ranks on a machine that is not this one.
void describe(const std::filesystem::path& folder, int rounds,
              const std::string& best_by = "auto") {
  write_text_file(folder / "run.json",
                  concat(R"({"name":"demo","config":{"algorithm":{"name":"fedavg"},)",
                         R"("run":{"best_by":")", best_by, R"(","rounds":")", rounds, R"("}},)",
                         R"("ranks":[{"rank":0,"host":"node0","process_id":1,"sites":["a"]},)",
                         R"({"rank":1,"host":"node1","process_id":2,"sites":["b","c"]}]})"));
}

void add_round(const std::filesystem::path& folder, int round, double a, double b) {
  append_text(folder / "metrics.jsonl",
              concat(R"({"round":)", round, R"(,"site":"a","split":"train","loss":0.5})", "\n",
                     R"({"round":)", round, R"(,"site":"b","split":"train","loss":0.25})", "\n",
                     R"({"round":)", round, R"(,"site":"a","split":"val","dice":)", a, "}\n",
                     R"({"round":)", round, R"(,"site":"a","split":"test","dice":0.125})", "\n",
                     R"({"round":)", round, R"(,"site":"b","split":"val","dice":)", b, "}\n",
                     R"({"round":)", round,
                     R"(,"site":"n","split":"val","held_out":true,"dice":null})", "\n"));
  append_text(folder / "rounds.jsonl",
              concat(R"({"round":)", round, R"(,"seconds":)", 2 + round,
                     R"(,"lost":{"straggler":1},"phases":{"train":{"mean":1.5,"max":2.0},)",
                     R"("wait":{"mean":2.5,"max":3.0}},)",
                     R"("waiting":{"rank":0,"seconds":3.0,"awaited_rank":1}})", "\n"));
}

TEST(RunReader, shows_what_the_files_say) {
  const test::TempFolder folder;
  describe(folder.path(), 10);
  RunReader reader(folder.path());
  RunView view = reader.look(0.0);
  EXPECT_EQ(view.rounds_done, 0);
  EXPECT_EQ(view.phase, RunPhase::starting);
  add_round(folder.path(), 0, 0.5, 0.25);
  add_round(folder.path(), 1, 0.75, 0.5);
  view = reader.look(static_cast<double>(std::time(nullptr)));
  EXPECT_EQ(view.name, "demo");
  EXPECT_EQ(view.method, "fedavg");
  EXPECT_EQ(view.rounds_wanted, 10);
  EXPECT_EQ(view.rounds_done, 2);
  EXPECT_EQ(view.ranks, 2);
  EXPECT_EQ(view.measure, "dice");
  EXPECT_THAT(view.measured, ElementsAre(0, 1));
  ASSERT_EQ(view.sites.size(), 3U);
  EXPECT_THAT(view.sites[0].val, ElementsAre(0.5, 0.75));
  EXPECT_THAT(view.sites[0].test, ElementsAre(0.125, 0.125));
  EXPECT_THAT(view.sites[1].test, ElementsAre(std::nullopt, std::nullopt));
  EXPECT_TRUE(view.sites[2].held_out);
  EXPECT_TRUE(std::isnan(*view.sites[2].val[0]));
  EXPECT_EQ(view.best, 1);
  EXPECT_THAT(view.train_loss, ElementsAre(0.375, 0.375));
  EXPECT_DOUBLE_EQ(view.usual_s, 2.5);
  EXPECT_DOUBLE_EQ(view.last_round_s, 3.0);
  ASSERT_EQ(view.phases.size(), 2U);
  EXPECT_EQ(view.phases[0].name, "wait");  // the longest first
  EXPECT_EQ(view.lost.at("straggler"), 2);
  EXPECT_EQ(view.waiting->awaited_rank, 1);
  EXPECT_EQ(view.waiting->awaited_place, "node1: b, c");
  EXPECT_FALSE(view.saved_age_s);
  EXPECT_EQ(view.unread_lines, 0);
}

TEST(RunReader, starts_anew_when_a_resumed_run_drops_rounds) {
  const test::TempFolder folder;
  describe(folder.path(), 10);
  RunReader reader(folder.path());
  for (int round = 0; round < 4; ++round) add_round(folder.path(), round, 0.5, 0.5);
  EXPECT_EQ(reader.look(0.0).rounds_done, 4);
  for (const char* name : {"metrics.jsonl", "rounds.jsonl"}) write_text_file(folder / name, "");
  add_round(folder.path(), 0, 0.5, 0.5);
  const RunView& view = reader.look(0.0);
  EXPECT_EQ(view.rounds_done, 1);
  EXPECT_THAT(view.measured, ElementsAre(0));
  ASSERT_EQ(view.sites.size(), 3U);
  EXPECT_THAT(view.sites[0].val, ElementsAre(0.5));
  EXPECT_EQ(view.lost.at("straggler"), 1);
  EXPECT_DOUBLE_EQ(view.usual_s, 2.0);
}

TEST(RunReader, counts_lines_that_no_run_wrote_and_waits_for_the_end_of_the_last) {
  const test::TempFolder folder;
  describe(folder.path(), 10);
  RunReader reader(folder.path());
  add_round(folder.path(), 0, 0.5, 0.5);
  append_text(folder / "rounds.jsonl", "not JSON\n{\"round\":-1}\n{\"round\":1,\"sec");
  const RunView& view = reader.look(0.0);
  EXPECT_EQ(view.rounds_done, 1);
  EXPECT_EQ(view.unread_lines, 2);
}

TEST(RunReader, is_finished_when_the_summary_is_of_all_rounds) {
  const test::TempFolder folder;
  describe(folder.path(), 2);
  RunReader reader(folder.path());
  add_round(folder.path(), 0, 0.5, 0.5);
  write_text_file(folder / "summary.json", R"({"rounds":2,"stopped_by":"run.rounds"})");
  const auto now = static_cast<double>(std::time(nullptr));
  EXPECT_EQ(reader.look(now).phase, RunPhase::running);  // the summary of an earlier process
  add_round(folder.path(), 1, 0.5, 0.5);
  EXPECT_EQ(reader.look(now).phase, RunPhase::finished);
  EXPECT_EQ(reader.look(now).stopped_by, "run.rounds");
}

TEST(RunReader, knows_a_process_of_this_machine_by_the_lock) {
  const test::TempFolder folder;
  describe(folder.path(), 10);
  add_round(folder.path(), 0, 0.5, 0.5);
  RunReader reader(folder.path());
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  const auto now = static_cast<double>(std::time(nullptr));
  const auto signed_by = [&](std::int64_t process, const std::string& place) {
    write_text_file(folder / ".lock", concat("process ", process, " on ", place, ", since now\n"));
    return reader.look(now).phase;
  };
  EXPECT_EQ(signed_by(getpid(), host), RunPhase::running);
  EXPECT_EQ(signed_by(2'000'000'000, host), RunPhase::killed);  // above all process ids
  const pid_t ended = fork();
  if (ended == 0) _exit(0);
  siginfo_t how = {};
  waitid(P_PID, static_cast<id_t>(ended), &how, WEXITED | WNOWAIT);  // nobody asks yet
  EXPECT_EQ(signed_by(ended, host), RunPhase::killed);
  waitpid(ended, nullptr, 0);
  EXPECT_EQ(signed_by(2'000'000'000, "elsewhere"), RunPhase::running);
  EXPECT_THAT(reader.look(now).writer, HasSubstr("on elsewhere"));
  EXPECT_EQ(reader.look(now + 3600.0).phase, RunPhase::silent);
  EXPECT_NEAR(reader.look(now + 3600.0).news_age_s, 3600.0, 60.0);
}

TEST(RunReader, takes_the_measure_that_the_run_is_judged_by) {
  const test::TempFolder folder;
  describe(folder.path(), 10, "hd95");
  append_text(folder / "metrics.jsonl",
              R"({"round":0,"site":"a","split":"val","dice":0.5,"hd95":4.0})"
              "\n"
              R"({"round":1,"site":"a","split":"val","dice":0.25,"hd95":2.0})"
              "\n");
  RunReader reader(folder.path());
  const RunView& view = reader.look(0.0);
  EXPECT_EQ(view.measure, "hd95");
  EXPECT_TRUE(view.lower_is_better);
  EXPECT_EQ(view.best, 1);
}

TEST(RunReader, refuses_a_folder_that_is_not_of_a_run) {
  const test::TempFolder folder;
  EXPECT_THAT(test::user_error_of([&] { RunReader{folder.path()}; }),
              HasSubstr(folder.path().string() + ": is not the folder of a run"));
  EXPECT_THAT(test::user_error_of([&] { RunReader{folder / "none"}; }),
              HasSubstr("none: is not a folder."));
}

}  // namespace
}  // namespace harmofl
