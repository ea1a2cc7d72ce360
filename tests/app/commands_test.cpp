// SPDX-License-Identifier: Apache-2.0
// Commands as the program runs them: helps, mistakes, exit codes.
#include "app/commands/commands.hpp"

#include "app/config/keys.hpp"
#include "app/config/train_help.hpp"
#include "support/errors.hpp"
#include "support/temp_folder.hpp"
#include "support/world.hpp"

#include <gmock/gmock.h>
#include <stdio_ext.h>

#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <unistd.h>

namespace harmofl {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

struct Answer {
  ExitCode code;
  std::string text;
};

Answer run(const Arguments& arguments) {
  testing::internal::CaptureStdout();
  const ExitCode code = run_command(arguments, test::world());
  return {code, testing::internal::GetCapturedStdout()};
}

/// The exit code that the program ends with, and what it says.
Answer failure(const Arguments& arguments) {
  testing::internal::CaptureStdout();
  try {
    run_command(arguments, test::world());
  } catch (const Error& error) {
    EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
    return {error.exit_code(), error.what()};
  }
  ADD_FAILURE() << "no error was thrown";
  return {ExitCode::done, testing::internal::GetCapturedStdout()};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(Program, answers_all_spellings_of_help_alike) {
  const Answer help = run({"--help"});
  EXPECT_EQ(help.code, ExitCode::done);
  for (const Command& command : commands()) EXPECT_THAT(help.text, HasSubstr(command.name));
  for (const char* spelling : {"-h", "help"}) {
    EXPECT_EQ(run({spelling}).text, help.text) << spelling;
    EXPECT_EQ(run({spelling}).code, ExitCode::done) << spelling;
  }
}

TEST(Program, without_a_command_shows_the_help_as_a_usage_error) {
  EXPECT_EQ(run({}).code, ExitCode::usage);
  EXPECT_EQ(run({}).text, run({"--help"}).text);
}

TEST(Program, that_cannot_write_its_answer_fails) {
  const test::TempFolder folder;
  std::ofstream(folder / "file").flush();
  std::fflush(stdout);
  const int kept = dup(STDOUT_FILENO);
  const int unwritable = open((folder / "file").c_str(), O_RDONLY);
  dup2(unwritable, STDOUT_FILENO);
  const std::string message = test::user_error_of([] { run_command({"help"}, test::world()); });
  clearerr(stdout);
  __fpurge(stdout);
  dup2(kept, STDOUT_FILENO);
  close(unwritable);
  close(kept);
  EXPECT_THAT(message, HasSubstr("standard output cannot be written"));
}

TEST(Program, says_its_version) {
  EXPECT_THAT(run({"--version"}).text, StartsWith("harmofl "));
  EXPECT_EQ(run({"--version"}).code, ExitCode::done);
}

TEST(Program, refuses_unknown_commands_with_near_ones) {
  const Answer answer = failure({"trian"});
  EXPECT_EQ(answer.code, ExitCode::usage);
  EXPECT_THAT(answer.text, AllOf(HasSubstr("command 'trian' is unknown"),
                                 HasSubstr("Did you mean 'train'?"), HasSubstr("synthesize")));
}

TEST(Command, has_a_help_by_both_spellings) {
  for (const Command& command : commands()) {
    SCOPED_TRACE(command.name);
    const Answer help = run({command.name, "--help"});
    EXPECT_EQ(help.code, ExitCode::done);
    EXPECT_FALSE(help.text.empty());
    EXPECT_EQ(run({command.name, "-h"}).text, help.text);
    if (std::string(command.name) != "algorithms") {
      EXPECT_THAT(help.text, HasSubstr(concat("harmofl ", command.name)));
    }
  }
}

TEST(Command, has_a_help_for_every_kind_of_analysis) {
  for (const char* kind : {"drift", "flatness", "surface", "spectra", "gradients"}) {
    SCOPED_TRACE(kind);
    const Answer help = run({"analyse", kind, "-h"});
    EXPECT_EQ(help.code, ExitCode::done);
    EXPECT_THAT(help.text, HasSubstr(concat("harmofl analyse ", kind, " --checkpoint FILE")));
  }
  EXPECT_EQ(run({"analyse"}).code, ExitCode::usage);
}

TEST(Command, offers_the_checkpoints_that_it_takes) {
  const std::string best = "best.h5";
  EXPECT_THAT(run({"analyse", "flatness", "-h"}).text, HasSubstr(best));
  EXPECT_THAT(run({"analyse", "drift", "-h"}).text,
              AllOf(HasSubstr("checkpoint.h5"), testing::Not(HasSubstr(best))));
}

TEST(Command, refuses_unknown_options_with_near_ones) {
  const Answer answer = failure({"synthesize", "--ouptut", "x"});
  EXPECT_EQ(answer.code, ExitCode::usage);
  EXPECT_THAT(answer.text,
              AllOf(HasSubstr("harmofl synthesize: 'ouptut' is unknown"),
                    HasSubstr("Did you mean 'output'?"), HasSubstr("harmofl synthesize --help")));
  EXPECT_EQ(failure({"analyse", "flat"}).code, ExitCode::usage);
  EXPECT_EQ(failure({"algorithms", "all"}).code, ExitCode::usage);
  EXPECT_EQ(failure({"train", "--rounds", "1"}).code, ExitCode::usage);
  EXPECT_EQ(failure({"inspect"}).code, ExitCode::usage);
}

TEST(Command, refuses_values_that_are_not_numbers_in_range) {
  const std::string folder = test::TempFolder().path();
  const auto refused = [&](const std::string& option, const std::string& value) {
    const Answer answer = failure({"synthesize", "--output", folder, option + "=" + value});
    EXPECT_EQ(answer.code, ExitCode::usage);
    EXPECT_THAT(answer.text, HasSubstr(concat(option, " ", value, " is not "))) << answer.text;
  };
  for (const char* value : {"0", "-1", "two", "1e3", "0x2", "2.0", "99999999999999999999"}) {
    refused("--sites", value);
  }
  for (const char* value : {"nan", "inf", "-0.1", "2.1", "1x"}) refused("--shift", value);
  for (const char* value : {"64", "64x", "x64", "64x64x64", "8x8", "64x1e3", "64 64"}) {
    refused("--size", value);
  }
}

TEST(Command, of_bad_input_ends_with_code_1) {
  const test::TempFolder folder;
  EXPECT_EQ(failure({"inspect", folder / "nothing.h5"}).code, ExitCode::user_error);
  EXPECT_EQ(failure({"train"}).code, ExitCode::user_error);
  EXPECT_EQ(failure({"train", "--data.shards", folder / "nowhere"}).code, ExitCode::user_error);
}

TEST(Export, lists_what_it_can_write) {
  const Answer answer = failure({"export", "--checkpoint", "x.h5", "--output", "x.onnx"});
  EXPECT_EQ(answer.code, ExitCode::usage);
  EXPECT_THAT(answer.text, HasSubstr("Known: .safetensors, .pt, .pth."));
  EXPECT_THAT(failure({"export", "--checkpoint", "x.h5", "--output", "y.h5"}).text,
              HasSubstr("Write .safetensors or .pt or .pth."));
}

TEST(TrainHelp, has_every_key_once_with_default_and_meaning) {
  const std::string help = concat("\n", train_help());
  for (const Key& key : config_keys()) {
    const std::string entry = concat("\n  --", key.name, " [", key.default_text, "]");
    const std::size_t first = help.find(entry);
    ASSERT_NE(first, std::string::npos) << key.name;
    EXPECT_EQ(help.find(entry, first + 1), std::string::npos) << key.name;
    for (const std::string& choice : key.value.choices) {
      EXPECT_THAT(help, HasSubstr(choice)) << key.name;
    }
  }
}

TEST(TrainHelp, keeps_to_100_columns) {
  for (const std::string& line : lines_of(train_help())) {
    EXPECT_LE(line.size(), 100U) << line;
    EXPECT_FALSE(line.ends_with(' ')) << line;
  }
}

TEST(TrainHelp, begins_with_the_ten_keys_that_are_needed_first) {
  const std::string help = train_help();
  const std::size_t first = help.find("\nNeeded first\n");
  const std::size_t others = help.find("\n[run]\n");
  ASSERT_NE(first, std::string::npos);
  ASSERT_LT(first, others);
  std::vector<std::string> names;
  for (const Key& key : config_keys()) {
    if (!key.is(needed_first)) continue;
    names.push_back(key.name);
    EXPECT_LT(help.find("--" + key.name + " "), others) << key.name;
  }
  EXPECT_EQ(names.size(), 10U);
}

TEST(TrainHelp, says_what_auto_stands_for_by_method) {
  std::string words;
  std::istringstream stream(train_help());
  for (std::string word; stream >> word;) words += word + " ";
  EXPECT_THAT(words, HasSubstr("length of the weight perturbation; 0 is off; auto: 0; with fedsam, "
                               "harmofl 0.05"));
  EXPECT_THAT(words,
              HasSubstr("who holds which images: site (a client a shard) | iid | dirichlet"));
  EXPECT_THAT(words, HasSubstr("fedprox: weight of the proximal term (0.01); moon: weight"));
}

}  // namespace
}  // namespace harmofl
