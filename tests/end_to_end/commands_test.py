#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line: help, versions, mistakes, the plan of --dry-run."""

import json
import os
import re
import shutil

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


class Answers(support.ProgramTest):
    """Results that cannot be written, or not where they are to go."""

    def unwritable(self):
        """Makes standard output a file that is open for reading alone."""
        file = self.folder / "read-only"
        file.touch()
        return lambda: os.dup2(os.open(file, os.O_RDONLY), 1)

    def test_every_answer_that_cannot_be_written_is_an_error(self):
        shard = sorted(support.federation().glob("*.h5"))[0]
        for command in (
            (support.HARMOFL, "--version"),
            (support.HARMOFL, "train", "--help"),
            (support.HARMOFL, "algorithms"),
            (support.HARMOFL, "inspect", shard),
            (support.HARMOFL, "synthesize", "--output", self.folder / "made", "--sites", 1),
            (support.PREPARE, "--version"),
            (
                support.PREPARE,
                "images",
                "--input",
                support.SOURCE / "tests/fixtures/bbbc038",
                "--output",
                self.folder / "prepared",
                "--sites",
                "fluo256",
                "--size",
                "32x32",
            ),
        ):
            with self.subTest(command=command):
                result = support.run(command, preexec=self.unwritable())
                self.fails(result, 1, "standard output cannot be written (Bad file descriptor)")

    def test_a_table_is_in_its_file_even_if_nobody_can_be_told(self):
        table = self.folder / "table.json"
        result = harmofl(*self.evaluate(), "--output", table, preexec=self.unwritable())
        self.fails(result, 1, "standard output cannot be written")
        self.assertEqual(sorted(json.loads(table.read_text())), ["site_0", "site_1", "site_2"])

    def test_a_table_replaces_nothing_but_a_file(self):
        (self.folder / "folder").mkdir()
        os.mkfifo(self.folder / "fifo")
        (self.folder / "file").write_text("kept")
        (self.folder / "link").symlink_to("file")
        for name in ("folder", "fifo", "link"):
            for ranks in (None, 2):
                with self.subTest(name=name, ranks=ranks):
                    result = harmofl(*self.evaluate(), "--output", self.folder / name, ranks=ranks)
                    self.fails(result, 1, self.folder / name, "cannot be written over")
                    self.assertEqual(result.stdout, "")  # it is refused before the work
        self.assertEqual((self.folder / "file").read_text(), "kept")

    @staticmethod
    def evaluate():
        return "evaluate", "--checkpoint", support.trained() / "best.h5", "--shards", support.federation()


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

    def test_a_folder_is_no_config_file(self):
        for ranks in (None, 2):
            self.refused(2, self.folder, "it is a folder", arguments=("--config", self.folder), ranks=ranks)

    def test_values_that_would_not_come_back_are_refused_before_anything_is_written(self):
        for value in ("exp #3", " a", "a\n[train]\nlr = 9", "Kr\udce4nke"):
            with self.subTest(value=value):
                self.refused(1, "run.name", arguments=("--run.name", value))
        self.refused(1, "run.name", arguments=("--run.name", "exp #3"), ranks=2)

    def test_a_network_larger_than_the_machine_is_refused_before_anything_is_made(self):
        for ranks in (None, 2):
            self.refused(
                1,
                "model.width = 1000000",
                "this machine has",
                arguments=("--model.width", 1000000),
                ranks=ranks,
            )

    def test_what_has_the_name_of_a_shard_and_is_none_is_refused(self):
        shards = self.folder / "shards"
        shutil.copytree(support.federation(), shards)
        os.mkfifo(shards / "site_9.h5")
        for ranks in (None, 2):
            self.refused(1, shards / "site_9.h5", "it is a FIFO", shards=shards, ranks=ranks)

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
