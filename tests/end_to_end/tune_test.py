# SPDX-License-Identifier: Apache-2.0
"""tools/tune.py on real runs: budgets counted from their records, and a tuning that was killed."""

import csv
import fcntl
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import support
from support import SOURCE, harmofl

METHODS = ("fedavg", "harmofl", "ditto")
# 11, 7 and 5 training images in batches of 4: 3 + 2 + 2 steps an epoch.
STEPS = 7
FACTOR = {"fedavg": 1, "harmofl": 2, "ditto": 2}
BUDGET = 70
SPACE = """[all]
train.lr = log-uniform 1e-3..1e-1
[ditto]
algorithm.lambda = log-uniform 1e-1..10
"""
CONFIG = """[run]
rounds = 2
[data]
shards = {shards}
batch_size = 4
[model]
width = 2
[comm]
reduce = exact
"""


class Tune(support.ProgramTest):
    def setUp(self):
        super().setUp()
        shards = support.shared_folder() / "uneven"
        if not shards.exists():
            self.succeeds(
                harmofl(
                    *("synthesize", "--output", shards, "--sites", 3, "--size", "32x32"),
                    *("--train", "11,7,5", "--val", "3,2,4", "--test", "2"),
                )
            )
        (self.folder / "space.ini").write_text(SPACE)
        (self.folder / "config.ini").write_text(CONFIG.format(shards=shards))

    def words(self, output, *arguments):
        return [
            *(sys.executable, SOURCE / "tools/tune.py", "--methods", *METHODS, "--halving", 2),
            *("--space", self.folder / "space.ini", "--budget", BUDGET),
            *("--config", self.folder / "config.ini", "--output", output, *arguments),
        ]

    def tune(self, output, *arguments):
        return support.run(self.words(output, *arguments), env={"HARMOFL": support.HARMOFL})

    def rows(self, output):
        """trials.csv without what times say."""
        with open(output / "trials.csv", newline="", encoding="utf-8") as file:
            return [{**row, "seconds": ""} for row in csv.DictReader(file)]

    def tuned(self):
        """A tuning without interruption, made once."""
        output = support.shared_folder() / "tuned"
        if not output.exists():
            self.succeeds(self.tune(output, "--jobs", 2))
        return output

    def test_every_method_gets_the_same_client_steps_by_its_records(self):
        output = self.tuned()
        counted = {}
        for method in METHODS:
            rounds, total = 0, 0
            for path in sorted(output.glob(f"trials/{method}-*/rounds.jsonl")):
                lines = support.json_lines(path)
                rounds += len(lines)
                total += sum(line["client_steps"] for line in lines)
            # By the data: so many steps a round, with two gradients where they are perturbed or personal.
            self.assertEqual(total, rounds * STEPS * FACTOR[method])
            self.assertTrue(BUDGET - STEPS * FACTOR[method] < total <= BUDGET, (method, total))
            counted[method] = total
        self.assertEqual(counted["harmofl"], counted["ditto"])
        for method, total in counted.items():
            self.assertEqual(
                total, sum(int(row["client_steps"]) for row in self.rows(output) if row["method"] == method)
            )
            self.assertRegex((output / "tuning.md").read_text(), rf"\| {method} .* {total} \|")

    def test_the_best_is_that_which_the_program_says_and_its_rounds_are_those_of_one_run(self):
        output = self.tuned()
        for row in self.rows(output):
            summary = json.loads((output / row["folder"] / "summary.json").read_text())
            self.assertAlmostEqual(float(row["dice"]), summary["val"]["mean"]["dice"], delta=1e-12)
            self.assertEqual(int(row["best_round"]), summary["best_round"])
            self.assertEqual(int(row["rounds"]), summary["rounds"])
        for method in METHODS:
            own = [row for row in self.rows(output) if row["method"] == method]
            best = next(row for row in own if row["status"] == "best")
            last = [float(row["dice"]) for row in own if row["rounds"] == "2"]
            self.assertEqual(float(best["dice"]), max(last))
            straight = self.folder / method
            self.succeeds(
                harmofl("train", "--config", output / f"best/{method}.ini", "--run.output", straight)
            )
            self.assert_same_run(output / best["folder"], straight)

    def test_a_tuning_that_was_killed_ends_as_one_that_was_not(self):
        output = self.folder / "killed"
        for asked in (signal.SIGKILL, signal.SIGTERM):
            begun = len(list(output.glob("trials/*/rounds.jsonl")))
            process = subprocess.Popen(
                [str(word) for word in self.words(output)],
                env={**os.environ, "HARMOFL": support.HARMOFL},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            while process.poll() is None and len(list(output.glob("trials/*/rounds.jsonl"))) < begun + 3:
                time.sleep(0.02)
            process.send_signal(asked)
            self.assertEqual(process.wait(60), {signal.SIGKILL: -9, signal.SIGTERM: 75}[asked])
            self.until_its_runs_have_ended(output)
        self.succeeds(self.tune(output))
        self.assertEqual(self.rows(output), self.rows(self.tuned()))
        plans = [(folder / "plan.json").read_bytes() for folder in (output, self.tuned())]
        self.assertEqual(*plans)

    def until_its_runs_have_ended(self, output):
        """The run that was in progress when the tuner was killed goes on by itself."""

        def uses(path):
            try:
                return str(output).encode() in path.read_bytes()
            except OSError:
                return False  # ended meanwhile

        while any(uses(path) for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")):
            time.sleep(0.05)

    def test_a_run_that_is_in_use_is_left_alone(self):
        output = self.folder / "tuning"
        self.succeeds(self.tune(output, "--plan"))
        folder = output / "trials/fedavg-000"
        folder.mkdir()
        with open(folder / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lock.write("process 4711 on node3\n")
            lock.flush()
            self.fails(self.tune(output), 1, "trial fedavg-000", "process 4711 on node3")
        self.assertEqual([path.name for path in folder.iterdir()], [".lock"])

    def test_what_the_program_refuses_is_refused_at_once(self):
        (self.folder / "space.ini").write_text("[all]\ntrain.momentum = uniform 0..1\n")
        self.fails(self.tune(self.folder / "tuning"), 1, "train.momentum = 1")
        (self.folder / "space.ini").write_text("[fedavg]\nalgorithm.mu = choice 1\n")
        self.fails(self.tune(self.folder / "tuning"), 1, "algorithm.mu")
        self.assertFalse((self.folder / "tuning").exists())


if __name__ == "__main__":
    support.main()
