// SPDX-License-Identifier: Apache-2.0
// Where the texts of keys come from, and what becomes of them before a run.
#include "app/config/config.hpp"

#include "app/config/keys.hpp"
#include "app/config/run_options.hpp"
#include "app/load_model.hpp"
#include "support/errors.hpp"
#include "support/no_files.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <fstream>

namespace harmofl {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using Arguments = std::vector<std::string>;

std::string usage_error(const Arguments& arguments) {
  return test::error_of<UsageError>([&] { Config::from_arguments(arguments); });
}

Config resolved(const Arguments& arguments, Task task = Task::segmentation) {
  Config config = Config::from_arguments(arguments);
  resolve(config, task);
  return config;
}

std::string preliminary_error(const Arguments& arguments) {
  return test::error_of([&] { preliminary_options(Config::from_arguments(arguments)); });
}

std::string resolve_error(const Arguments& arguments, Task task = Task::segmentation) {
  return test::error_of<UsageError>([&] { resolved(arguments, task); });
}

TEST(Config, takes_the_command_line_over_the_file_over_the_default) {
  const test::TempFolder folder;
  const std::string file = folder / "mine.ini";
  std::ofstream(file) << "[train]\nlr = 0.5\nmomentum = 0.25\n[run]\nrounds = 7\n";
  const Config config = Config::from_arguments({"--config", file, "--train.lr", "0.125"});
  EXPECT_EQ(config.text("train.lr"), "0.125");
  EXPECT_EQ(config.text("train.momentum"), "0.25");
  EXPECT_EQ(config.text("run.rounds"), "7");
  EXPECT_EQ(config.text("run.keep"), "2");
}

TEST(Config, takes_flags_bare_and_with_a_value) {
  EXPECT_EQ(Config::from_arguments({"--data.truncate"}).text("data.truncate"), "true");
  EXPECT_EQ(Config::from_arguments({"--data.augment", "false"}).text("data.augment"), "false");
  EXPECT_EQ(Config::from_arguments({"--resume"}).text("run.resume"), "true");
  EXPECT_EQ(Config::from_arguments({"--dry-run"}).dry_run(), DryRun::plan);
  EXPECT_EQ(Config::from_arguments({"--dry-run=time"}).dry_run(), DryRun::timed);
  EXPECT_EQ(Config::from_arguments({"--dry-run=json"}).dry_run(), DryRun::json);
  EXPECT_EQ(Config::from_arguments({}).dry_run(), DryRun::none);
}

TEST(Config, refuses_unknown_keys_with_origin_near_keys_and_help) {
  EXPECT_EQ(usage_error({"--rounds", "5"}),
            "command line: 'rounds' is unknown. Did you mean 'run.rounds'? See `harmofl train "
            "--help`.");
  EXPECT_THAT(test::error_of<UsageError>(
                  [] { Config::from_ini("[train]\nlearning_rat = 1\n", "mine.ini"); }),
              AllOf(HasSubstr("mine.ini"), HasSubstr("train.learning_rat")));
  EXPECT_THAT(usage_error({"more"}), HasSubstr("command line"));
  EXPECT_THAT(usage_error({"--config", "nowhere.ini"}), HasSubstr("nowhere.ini: cannot be read"));
}

TEST(Config, names_the_key_that_took_the_place_of_a_former_one) {
  EXPECT_EQ(usage_error({"--algorithm.alpha", "0.1"}),
            "command line: the key algorithm.alpha is now perturbation.alpha. Set "
            "perturbation.alpha = 0.1 instead.");
  EXPECT_THAT(
      test::error_of<UsageError>([] { Config::from_ini("[algorithm]\nalpha = 0.1\n", "old.ini"); }),
      HasSubstr("old.ini: the key algorithm.alpha"));
}

TEST(Config, reads_files_of_the_time_of_former_keys) {
  const Config config = Config::from_ini("[algorithm]\nname = fedavg\nalpha = auto\n", "old.ini");
  EXPECT_EQ(config.text("algorithm.name"), "fedavg");
}

TEST(Config, is_the_same_again_from_what_it_writes) {
  const Config config = Config::from_arguments({"--train.lr", "0.125", "--run.name", "a b"});
  EXPECT_EQ(Config::from_ini(config.ini(), "again").ini(), config.ini());
  EXPECT_THAT(config.ini(), AllOf(HasSubstr("[train]\noptimizer = adam\nlr = 0.125\n"),
                                  HasSubstr("[run]\nname = a b\n")));
}

TEST(Config, refuses_values_that_an_ini_file_would_not_give_back) {
  const std::vector<std::pair<std::string, std::string>> refusals{
      {"exp #3", "'exp #3' has a '#', with which a comment begins"},
      {" a", "begins or ends with a blank"},
      {"a ", "begins or ends with a blank"},
      {"\ta", "is not UTF-8 without control characters"},
      {"a\n[train]\nlr = 9", "is not UTF-8 without control characters"},
      {"a\r", "is not UTF-8 without control characters"},
      {"Kr\xe4nke", "is not UTF-8 without control characters"}};
  for (const char* key : {"run.name", "run.output", "data.shards"}) {
    for (const auto& [value, why] : refusals) {
      EXPECT_THAT(test::user_error_of(
                      [&, value = value] { Config::from_arguments({concat("--", key), value}); }),
                  AllOf(HasSubstr(concat("command line: ", key, " = '")), HasSubstr(why)));
    }
  }
  EXPECT_THAT(test::user_error_of([] { Config::from_ini("[run]\nname = Kr\xe4nke\n", "best.h5"); }),
              HasSubstr("best.h5: run.name = '"));
}

TEST(Config, keeps_every_other_value) {
  for (const std::string value :
       {"a = b", "[train]", "a;b", "\"a b\"", "Kr\u00e4nke", "a\\n", "''"}) {
    const Config config = Config::from_arguments({"--run.name", value, "--data.shards", "x"});
    EXPECT_EQ(config.text("run.name"), value);
    EXPECT_NO_THROW(config.check_comes_back()) << value;
    EXPECT_EQ(Config::from_ini(config.ini(), "again").text("run.name"), value);
  }
}

TEST(RunOptions, refuse_a_value_that_would_not_come_back_however_it_was_set) {
  for (const char* value : {"a #b", " a"}) {
    Config config = resolved({});
    config.set("run.output", value);
    EXPECT_THAT(test::user_error_of([&] { run_options(config); }),
                AllOf(HasSubstr(concat("run.output = '", value, "'")),
                      HasSubstr("would come back from config.ini as '")));
  }
}

TEST(Config, names_a_line_that_is_none_whatever_it_holds) {
  for (const std::string line : {"batch_size 4", "%invalid_line%", "[data"}) {
    EXPECT_THAT(
        test::error_of<UsageError>([&] { Config::from_ini("[data]\n" + line + "\n", "x.ini"); }),
        AllOf(HasSubstr("x.ini: "), HasSubstr(line)));
  }
}

TEST(Config, names_a_file_that_cannot_be_read) {
  const test::TempFolder folder;
  for (const test::NoFile& kind : test::no_files()) {
    kind.make(folder / kind.name);
    EXPECT_THAT(usage_error({"--config", folder / kind.name}),
                HasSubstr(concat((folder / kind.name).string(), ": cannot be read (",
                                 kind.described, ")")));
  }
  EXPECT_THAT(usage_error({"--config", "/proc/self/mem"}), HasSubstr("Input/output error"));
}

TEST(Config, takes_a_file_with_the_mark_of_utf8) {
  const test::TempFolder folder;
  std::ofstream(folder / "mine.ini") << "\xEF\xBB\xBF[train]\nlr = 0.5\n";
  EXPECT_EQ(Config::from_arguments({"--config", folder / "mine.ini"}).text("train.lr"), "0.5");
  std::ofstream(folder / "utf16.ini") << "\xFF\xFE[";
  EXPECT_THAT(usage_error({"--config", folder / "utf16.ini"}), HasSubstr("Save it as UTF-8."));
}

TEST(Config, of_every_job_is_read) {
  int jobs = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(std::string(HARMOFL_SOURCE) + "/jobs")) {
    if (file.path().extension() != ".ini") continue;
    EXPECT_NO_THROW(preliminary_options(Config::from_arguments({"--config", file.path().string()})))
        << file.path();
    ++jobs;
  }
  EXPECT_GT(jobs, 3);
}

TEST(Resolve, leaves_nothing_open) {
  for (const std::string& method : algorithm_names()) {
    for (const Task task : {Task::segmentation, Task::classification}) {
      const Config config = resolved({"--algorithm.name", method}, task);
      EXPECT_NO_THROW(run_options(config)) << method;
      for (const Key& key : config_keys()) {
        if (key.section() == "algorithm") continue;
        EXPECT_FALSE(key.is_open(config.text(key.name))) << method << ", " << key.name;
      }
    }
  }
}

TEST(Resolve, decides_by_method_network_task_and_device) {
  EXPECT_EQ(resolved({}).text("model.name"), "unet");
  EXPECT_EQ(resolved({}, Task::classification).text("model.name"), "cnn");
  EXPECT_EQ(resolved({}).text("train.loss"), "cross-entropy-dice");
  EXPECT_EQ(resolved({}).text("amplitude.band"), "dc");
  EXPECT_EQ(resolved({"--algorithm.name", "fedavg"}).text("amplitude.band"), "off");
  EXPECT_EQ(resolved({}).text("perturbation.alpha"), "0.05");
  EXPECT_EQ(resolved({"--algorithm.name", "fedavg"}).text("perturbation.alpha"), "0");
  EXPECT_EQ(resolved({"--algorithm.name", "moon"}).text("model.projection"), "mlp");
  EXPECT_EQ(resolved({"--algorithm.name", "moon"}).text("algorithm.mu"), "1");
  EXPECT_EQ(resolved({"--algorithm.name", "fedbn"}).text("model.norm"), "batch");
  EXPECT_EQ(resolved({}).text("model.width"), "32");
  EXPECT_EQ(resolved({}).text("model.memory_format"), "channels-last");
  EXPECT_EQ(resolved({"--device.type", "cuda"}).text("model.memory_format"), "contiguous");
  const auto format_on_gpu = [&](Arguments more) {
    more.insert(more.end(), {"--device.type", "cuda"});
    return resolved(more).text("model.memory_format");
  };
  EXPECT_EQ(format_on_gpu({"--device.precision", "bf16"}), "channels-last");
  EXPECT_EQ(format_on_gpu({"--device.precision", "tf32"}), "channels-last");
  EXPECT_EQ(format_on_gpu({"--device.precision", "bf16", "--model.norm", "group"}), "contiguous");
  EXPECT_EQ(resolved({}).text("device.deterministic"), "false");
  EXPECT_EQ(resolved({"--comm.reduce", "exact"}).text("device.deterministic"), "true");
  EXPECT_EQ(resolved({"--comm.reduce", "exact", "--device.deterministic", "false"})
                .text("device.deterministic"),
            "false");
  EXPECT_EQ(resolved({}).text("comm.placement"), "samples");
  EXPECT_EQ(resolved({"--comm.reduce", "exact"}).text("comm.placement"), "measured");
  EXPECT_EQ(resolved({"--run.name", "x"}).text("run.output"), "runs/x");
}

TEST(Resolve, measures_on_clients_where_they_are_sites_or_have_something_of_their_own) {
  const Arguments iid{"--data.partition", "iid"};
  const auto evaluate = [&](Arguments more) {
    more.insert(more.end(), iid.begin(), iid.end());
    return resolved(more).text("data.evaluate");
  };
  EXPECT_EQ(resolved({}).text("data.evaluate"), "clients");
  EXPECT_EQ(evaluate({}), "sites");
  EXPECT_EQ(evaluate({"--model.buffers", "local"}), "clients");
  EXPECT_EQ(evaluate({"--algorithm.name", "ditto"}), "clients");
  EXPECT_EQ(evaluate({"--data.evaluate", "clients"}), "clients");
}

TEST(Resolve, keeps_what_was_set) {
  EXPECT_EQ(resolved({"--perturbation.alpha", "0.5"}).text("perturbation.alpha"), "0.5");
  EXPECT_EQ(resolved({"--model.norm", "group", "--algorithm.name", "fedbn"}).text("model.norm"),
            "group");
}

TEST(Resolve, leaves_the_layers_of_a_script_to_it) {
  const Config config = resolved({"--model.script", "n.pt", "--algorithm.name", "fedbn"});
  EXPECT_EQ(config.text("model.name"), "script");
  EXPECT_EQ(config.text("model.width"), "1");
  EXPECT_EQ(config.text("model.norm"), "own");
  EXPECT_EQ(config.text("model.kernels"), "own");  // those of the amplitude layer and the loss
  EXPECT_EQ(config.text("model.memory_format"), "contiguous");
  Config again = config;
  EXPECT_NO_THROW(resolve(again, Task::segmentation));
  const auto refusal = [](const Arguments& arguments) {
    return test::error_of<UsageError>([&] { resolved(arguments); });
  };
  EXPECT_THAT(refusal({"--model.script", "n.pt", "--model.name", "unet"}),
              HasSubstr("model.name = unet is for the networks of the table"));
  EXPECT_THAT(refusal({"--model.script", "n.pt", "--model.buffers", "recompute"}),
              HasSubstr("a constant of a script"));
  EXPECT_THAT(refusal({"--model.name", "script"}), HasSubstr("set model.script = FILE.pt"));
  EXPECT_THAT(refusal({"--model.norm", "own"}), HasSubstr("set model.script = FILE.pt"));
}

TEST(PreliminaryOptions, refuse_a_key_of_other_methods_naming_all_that_have_it) {
  EXPECT_EQ(preliminary_error({"--algorithm.name", "fedavg", "--algorithm.mu", "1"}),
            "algorithm.mu belongs to fedprox, moon, not to fedavg. Leave it out, or set "
            "algorithm.name = fedprox or moon.");
  EXPECT_NO_THROW(preliminary_options(
      Config::from_arguments({"--algorithm.name", "moon", "--algorithm.mu", "1"})));
}

TEST(Resolve, refuses_the_loss_of_masks_for_labels) {
  EXPECT_THAT(resolve_error({"--train.loss", "cross-entropy-dice"}, Task::classification),
              HasSubstr("Set train.loss to cross-entropy."));
}

TEST(PreliminaryOptions, refuse_values_that_the_method_does_not_take) {
  EXPECT_THAT(preliminary_error({"--algorithm.name", "fedprox", "--algorithm.mu=-1"}),
              HasSubstr("algorithm.mu = -1 is not a number of at least 0. Correct it; the default "
                        "is 0.01."));
  EXPECT_THAT(preliminary_error({"--algorithm.name", "fedavgm", "--algorithm.beta", "inf"}),
              HasSubstr("algorithm.beta = inf"));
}

TEST(PreliminaryOptions, refuse_junk_and_leave_open_what_is_auto) {
  EXPECT_EQ(preliminary_options(Config::from_arguments({"--data.partition", "iid", "--run.seed",
                                                        "3", "--data.clients", "4"}))
                .partition.seed,
            3U);
  const Config junk = Config::from_arguments({"--model.norm", "junk"});
  EXPECT_THROW(preliminary_options(junk), UsageError);
}

TEST(ResolvedOptions, refuse_what_is_still_open) {
  const Config open = Config::from_arguments({});
  EXPECT_THAT(test::error_of<UsageError>([&] { resolved_options(open); }),
              HasSubstr("data.evaluate = auto is unknown. Known: clients, sites."));
}

TEST(StoredConfig, of_a_run_older_than_a_key_takes_what_a_new_run_would) {
  std::string ini = resolved({}).ini();
  const std::string line = "kernels = own\n";
  const std::size_t at = ini.find(line);
  ASSERT_NE(at, std::string::npos);
  ini.erase(at, line.size());
  const Config stored = stored_config(ini, "old/best.h5");
  EXPECT_EQ(stored.text("model.kernels"), "own");
  EXPECT_EQ(stored.ini(), resolved({}).ini());
}

TEST(StoredConfig, of_every_method_and_task_is_as_it_was_stored) {
  for (const std::string& method : algorithm_names()) {
    for (const Task task : {Task::segmentation, Task::classification}) {
      const std::string ini = resolved({"--algorithm.name", method}, task).ini();
      EXPECT_EQ(stored_config(ini, "best.h5").ini(), ini) << method;
    }
  }
}

TEST(StoredConfig, with_a_value_that_will_not_do_is_refused_by_file_and_key) {
  EXPECT_THAT(test::user_error_of([] { stored_config("[train]\nlr = fast\n", "best.h5"); }),
              AllOf(HasSubstr("best.h5: its configuration cannot be used: "),
                    HasSubstr("train.lr = fast is not a number above 0")));
}

TEST(RunOptions, refuse_what_the_device_or_the_method_cannot_do) {
  const auto refusal = [](const Arguments& arguments) {
    return test::error_of([&] { run_options(resolved(arguments)); });
  };
  EXPECT_THAT(refusal({"--device.precision", "tf32"}), HasSubstr("device.precision = tf32"));
  EXPECT_THAT(refusal({"--device.graphs"}), HasSubstr("device.graphs = true"));
  EXPECT_THAT(refusal({"--device.graphs", "--device.type", "cuda", "--algorithm.name", "moon"}),
              HasSubstr("this method adds to it"));
  EXPECT_NO_THROW(run_options(resolved({"--device.graphs", "--device.type", "cuda"})));
}

TEST(RunOptions, refuse_keys_of_the_local_work_that_exclude_each_other) {
  const auto refusal = [](const Arguments& arguments) {
    return test::error_of<UsageError>([&] { run_options(resolved(arguments)); });
  };
  EXPECT_THAT(refusal({"--train.local_steps", "5", "--train.local_epochs", "2"}),
              HasSubstr("train.local_steps = 5 and train.local_epochs = 2 both say"));
  EXPECT_THAT(refusal({"--train.focal_gamma", "1"}), HasSubstr("belongs to train.loss = focal"));
  const Config recorded =
      resolved({"--device.graphs", "--device.type", "cuda", "--train.class_weights", "1,2"});
  EXPECT_THAT(test::user_error_of([&] { run_options(recorded); }),
              HasSubstr("--train.class_weights none"));
}

TEST(RunOptions, give_two_classes_one_output_where_the_loss_is_binary) {
  EXPECT_TRUE(run_options(resolved({"--train.loss", "bce"})).simulation.model.network.one_output);
  EXPECT_FALSE(run_options(resolved({})).simulation.model.network.one_output);
}

TEST(RunOptions, keep_the_default_folder_of_a_run_within_runs) {
  for (const char* name : {"../x", "a/b", "..", "."}) {
    EXPECT_THAT(test::error_of([&] { resolved({"--run.name", name}); }),
                AllOf(HasSubstr("run.name"), HasSubstr("run.output")))
        << name;
    EXPECT_NO_THROW(resolved({"--run.name", name, "--run.output", "folder"})) << name;
  }
}

TEST(SameRun, lets_only_keys_differ_that_may_change) {
  const Config before = resolved({});
  for (const Key& key : config_keys()) {
    Config now = before;
    now.set(key.name, "another");
    if (key.is(may_change)) {
      EXPECT_NO_THROW(check_same_run(now, before, "checkpoint.h5")) << key.name;
    } else {
      EXPECT_THAT(test::user_error_of([&] { check_same_run(now, before, "checkpoint.h5"); }),
                  AllOf(HasSubstr("checkpoint.h5: was made with " + key.name + " = "),
                        HasSubstr("but now it is another")));
    }
  }
}

}  // namespace
}  // namespace harmofl
