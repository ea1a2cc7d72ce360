#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line: help, versions, mistakes, the plan of --dry-run."""

import re

import support
from support import harmofl

COMMANDS = ("train", "evaluate", "inspect", "synthesize")


class Commands(support.ProgramTest):
    def test_help_names_every_command_and_the_exit_codes(self):
        text = self.succeeds(harmofl("help")).stdout
        for word in (*COMMANDS, "mpirun -n", "Exit codes", "75"):
            self.assertIn(word, text)
        self.assertEqual(harmofl("--help").stdout, text)
        self.assertEqual(harmofl().code, 2)

    def test_every_command_has_a_help(self):
        for command in COMMANDS:
            self.assertIn(f"harmofl {command}", self.succeeds(harmofl(command, "--help")).stdout)

    def test_version(self):
        self.assertRegex(self.succeeds(harmofl("--version")).stdout, r"^harmofl \d+\.\d+\.\d+ ")

    def test_help_is_printed_once_under_mpirun(self):
        text = self.succeeds(harmofl("--version", ranks=2)).stdout
        self.assertEqual(text.count("harmofl "), 1, text)

    def test_unknown_command_is_a_usage_error_with_a_suggestion(self):
        self.fails(harmofl("trian"), 2, "'trian' is unknown", "Did you mean 'train'?")
        self.fails(harmofl("trian", ranks=2), 2, "'trian' is unknown", "Did you mean 'train'?")


class TrainArguments(support.ProgramTest):
    def setUp(self):
        super().setUp()
        self.output = self.folder / "run"

    def refused(self, code, *texts, arguments=(), shards=None, ranks=None):
        result = support.train(shards or support.federation(), self.output, *arguments, ranks=ranks)
        self.fails(result, code, *texts)
        self.assertFalse(self.output.exists())

    def test_help_lists_every_key_with_its_default(self):
        text = self.succeeds(harmofl("train", "--help")).stdout
        defaults = dict(re.findall(r"^  --([a-z]+\.[a-z_0-9]+) \[([^\]]*)\]", text, re.MULTILINE))
        self.succeeds(
            support.train(
                support.federation(),
                self.output,
                "--run.rounds",
                1,
                *support.TINY,
                "--algorithm.name",
                "fedavg",
            )
        )
        keys, section = {}, ""
        for line in (self.output / "config.ini").read_text().splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif line:
                key, _, value = line.partition(" = ")
                keys[f"{section}.{key}"] = value
        self.assertEqual(defaults.keys(), keys.keys())
        for key in ("train.lr", "train.optimizer", "run.seed", "data.shuffle", "model.buffers"):
            self.assertEqual(defaults[key], keys[key])
        for key in defaults:
            self.assertRegex(text, rf"--{re.escape(key)} \[[^\]]*\] .*\w")

    def test_unknown_key_is_a_usage_error_that_names_the_nearest(self):
        self.refused(2, "'train.lt' is unknown", "Did you mean 'train.lr'?", arguments=("--train.lt", 0.1))

    def test_unknown_key_in_a_file_names_the_file(self):
        config = self.folder / "mine.ini"
        config.write_text("[train]\nlearning_rat = 0.1\n")
        self.refused(2, config, "train.learning_rat", arguments=("--config", config))

    def test_unknown_value_names_the_known_ones(self):
        self.refused(
            2, "algorithm.name = harmolf", "fedavg", "harmofl", arguments=("--algorithm.name", "harmolf")
        )
        self.refused(
            2, "train.optimizer = adma", "sgd, adam", arguments=("--train.optimizer", "adma"), ranks=2
        )

    def test_values_out_of_range_are_named(self):
        for key, value in (
            ("run.rounds", 0),
            ("data.batch_size", "four"),
            ("train.lr", "fast"),
            ("train.lr", -1),
            ("train.lr", "nan"),
            ("model.width", 0),
            ("perturbation.alpha", -0.1),
            ("comm.timeout", -1),
            ("run.seed", 2**32),
        ):
            with self.subTest(key=key, value=value):
                result = support.train(
                    support.federation(), self.output, "--run.rounds=1", f"--{key}={value}"
                )
                self.assertIn(result.code, (1, 2), result)
                self.assertEqual(len(result.errors()), 1, result)
                self.assertIn(key.split(".")[-1], result.errors()[0])
                self.assertFalse((self.output / "config.ini").exists())

    def test_missing_config_file(self):
        self.refused(2, "nowhere.ini", "cannot be read", arguments=("--config", "nowhere.ini"))

    def test_missing_shards(self):
        missing = self.folder / "nowhere"
        self.refused(1, missing, shards=missing)
        self.refused(1, missing, shards=missing, ranks=2)
        missing.mkdir()
        self.refused(1, missing, shards=missing)
        self.fails(harmofl("train", "--run.output", self.output), 1, "data.shards is not set")

    def test_command_line_wins_over_the_file(self):
        config = self.folder / "mine.ini"
        config.write_text("[train]\nlr = 0.5\n[run]\nrounds = 7\nname = mine\n")
        result = self.succeeds(
            support.train(
                support.federation(), self.output, "--config", config, "--run.rounds", 3, "--dry-run"
            )
        )
        self.assertIn("'mine'", result.stderr)
        self.assertIn("3 rounds", result.stderr)

    def test_dry_run_shows_the_plan_and_writes_nothing(self):
        result = self.succeeds(
            support.train(support.federation(), self.output, "--dry-run", "--run.rounds", 5, ranks=2)
        )
        plan = result.stdout + result.stderr
        for text in (
            "harmofl: ",
            "3 clients on 2 ranks",
            "5 rounds",
            "3x32x32",
            "rank 0",
            "rank 1",
            "site_0",
            "site_1",
            "site_2",
            str(self.output),
        ):
            self.assertIn(text, plan)
        self.assertFalse(self.output.exists())


if __name__ == "__main__":
    support.main()
