// SPDX-License-Identifier: Apache-2.0
#include "io/checkpoint/run_folder.hpp"

#include "io/checkpoints.hpp"
#include "support/errors.hpp"
#include "support/file_content.hpp"
#include "support/no_files.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

namespace {

using namespace harmofl;
using test::content_of;
using test::names_in;
using test::TempFolder;
using test::user_error_of;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

void put(const RunFolder& folder, std::int64_t rounds) {
  folder.put_checkpoint(*test::checkpoint_writer(folder.checkpoint(), rounds), 2);
}

TEST(RunFolder, has_one_writer_at_a_time) {
  const TempFolder folder;
  {
    const RunFolder first(folder / "run", false);
    EXPECT_THAT(user_error_of([&] { RunFolder(folder / "run", true); }),
                HasSubstr("another job writes to this run folder"));
  }
  const RunFolder second(folder / "run", false);
  EXPECT_THAT(names_in(folder / "run"), UnorderedElementsAre(".lock"));
}

TEST(RunFolder, loses_what_killed_runs_left_half_written_and_nothing_else) {
  const TempFolder folder;
  for (const char* name :
       {".checkpoint.h5.tmp.17", ".best.h5.tmp.99", ".run.json.tmp.4", ".rounds.jsonl.tmp.4",
        ".best.h5.tmp.99-09f1c3a85e2b7d46", ".table.csv.tmp.17", ".checkpoint.h5.tmp.x",
        ".checkpoint.h5.tmp.", "checkpoint.h5.tmp.17"}) {
    std::ofstream(folder / name) << "x";
  }
  { const RunFolder run(folder.path(), false); }
  EXPECT_THAT(names_in(folder.path()),
              UnorderedElementsAre(".table.csv.tmp.17", ".checkpoint.h5.tmp.x",
                                   ".checkpoint.h5.tmp.", "checkpoint.h5.tmp.17"));
}

TEST(RunFolder, holds_a_run_when_only_an_older_checkpoint_is_left) {
  const TempFolder folder;
  {
    const RunFolder run(folder.path(), false);
    EXPECT_FALSE(run.has_checkpoint());
    put(run, 3);
    EXPECT_TRUE(run.has_checkpoint());
  }
  std::filesystem::rename(folder / "checkpoint.h5", folder / "checkpoint-000003.h5");
  EXPECT_THAT(user_error_of([&] { RunFolder(folder.path(), false); }),
              HasSubstr("holds a run already"));
  const RunFolder run(folder.path(), true);
  EXPECT_TRUE(run.has_checkpoint());
  EXPECT_EQ(run.newest_intact_checkpoint().value().path(), folder / "checkpoint-000003.h5");
}

TEST(RunFolder, refuses_at_once_what_it_could_not_write_over_later) {
  for (const char* name :
       {"checkpoint.h5", "best.h5", "metrics.jsonl", "config.ini", "fleet.csv"}) {
    for (const test::NoFile& kind : test::no_files()) {
      const TempFolder folder;
      kind.make(folder / name);
      EXPECT_THAT(
          user_error_of([&] { RunFolder(folder.path(), true); }),
          HasSubstr(concat((folder / name).string(), ": cannot be written over: it is a ")));
      EXPECT_THAT(names_in(folder.path()), UnorderedElementsAre(name));
    }
  }
}

TEST(RunFolder, does_not_take_a_link_to_nothing_for_an_empty_folder) {
  const TempFolder folder;
  std::filesystem::create_symlink("/gone/checkpoint.h5", folder / "checkpoint.h5");
  EXPECT_THAT(user_error_of([&] { RunFolder(folder.path(), false); }),
              HasSubstr("holds a run already"));
}

TEST(RunFolder, loses_no_lines_that_it_cannot_read) {
  const TempFolder folder;
  const RunFolder run(folder.path(), false);
  std::filesystem::create_directory(folder / "metrics.jsonl");
  EXPECT_THAT(user_error_of([&] { run.drop_lines_from(1); }),
              HasSubstr("metrics.jsonl: cannot be read (Is a directory)"));
}

TEST(RunFolder, goes_on_from_an_older_checkpoint_as_if_the_rest_had_not_been) {
  const TempFolder folder;
  const RunFolder run(folder.path(), false);
  for (std::int64_t round = 0; round < 3; ++round) {
    run.append_metrics(concat("{\"round\":", round, ",\"site\":\"a\"}\n"));
    run.append_rounds(concat("{\"round\":", round, "}\n"));
    put(run, round + 1);
  }
  run.append_metrics("{\"round\":3,\"si");  // killed while writing
  std::filesystem::resize_file(run.checkpoint(), 100);
  const std::filesystem::path older = run.newest_intact_checkpoint().value().path();
  EXPECT_EQ(older, folder / "checkpoint-000002.h5");
  run.go_on_from(older, 2);
  EXPECT_EQ(content_of(folder / "metrics.jsonl"),
            "{\"round\":0,\"site\":\"a\"}\n{\"round\":1,\"site\":\"a\"}\n");
  EXPECT_EQ(content_of(folder / "rounds.jsonl"), "{\"round\":0}\n{\"round\":1}\n");
  put(run, 3);
  EXPECT_EQ(run.newest_intact_checkpoint().value().path(), run.checkpoint());
  EXPECT_EQ(test::verified_rounds(run.checkpoint()), 3);
  EXPECT_EQ(test::verified_rounds(older), 2);
}

TEST(RunFolder, refuses_lines_that_no_run_wrote_and_leaves_all_as_it_is) {
  const TempFolder folder;
  const RunFolder run(folder.path(), false);
  const std::string good = "{\"round\":0}\n";
  run.append_rounds(good + "{\"round\":1}\n");
  put(run, 1);
  const auto error = [&](const std::string& lines) {
    std::ofstream(folder / "metrics.jsonl") << lines;
    const std::string message = user_error_of([&] { run.go_on_from(run.checkpoint(), 1); });
    EXPECT_EQ(content_of(folder / "metrics.jsonl"), lines);
    EXPECT_EQ(content_of(folder / "rounds.jsonl"), good + "{\"round\":1}\n");
    return message;
  };
  EXPECT_THAT(error(good + "{\"round\":\"x\"}\n"),
              HasSubstr("metrics.jsonl:2: round: expected a whole number of at least 0, found "
                        "\"x\". Take the line out"));
  EXPECT_THAT(error("{\"round\":-1}\n"), HasSubstr("metrics.jsonl:1: round"));
  EXPECT_THAT(error("{\"round\":0.5}\n"), HasSubstr("metrics.jsonl:1: round"));
  EXPECT_THAT(error("{\"site\":1}\n"), HasSubstr("metrics.jsonl:1: 'round' is missing"));
  EXPECT_THAT(error("7\n"), HasSubstr("metrics.jsonl:1: expected an object"));
  EXPECT_THAT(error("{\"rou\n" + good), HasSubstr("metrics.jsonl:1 is not JSON"));
  EXPECT_THAT(error(std::string(100, '[') + "\n" + good), HasSubstr("metrics.jsonl:1 nests"));
  std::filesystem::remove(folder / "metrics.jsonl");
  std::filesystem::create_directory(folder / "metrics.jsonl");
  EXPECT_THAT(user_error_of([&] { run.go_on_from(run.checkpoint(), 1); }),
              HasSubstr("metrics.jsonl: cannot be read"));
}

TEST(RunFolder, loses_what_a_machine_that_lost_its_power_left_after_the_last_line) {
  const TempFolder folder;
  const RunFolder run(folder.path(), false);
  run.append_rounds("{\"round\":0}\n" + std::string(40, '\0') + "\n{\"round\":2}\n{\"rou");
  run.drop_lines_from(1);
  EXPECT_EQ(content_of(folder / "rounds.jsonl"), "{\"round\":0}\n");
}

}  // namespace
