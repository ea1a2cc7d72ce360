# SPDX-License-Identifier: Apache-2.0
"""tools/tune.py as a user calls it, with a program in the place of harmofl whose scores and steps are known.

By hand, from the root of the checkout: .deps/venv/bin/python tests/tools/tune_run_test.py
"""

import csv
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import tune_support
from tune import records
from tune.asking import Measure, ini_text
from tune.study import read_study
from tune.tuning import on_rung

TOOL = tune_support.TOOLS / "tune.py"
SPACE = "[all]\ntrain.lr = log-uniform 1e-4..1\n"
CONFIG = "[run]\nrounds = 9\n[data]\nshards = shards\n"


class TuneTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="harmofl-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.program = tune_support.write_program(self.folder)
        self.output = self.folder / "tuning"
        (self.folder / "space.ini").write_text(SPACE)
        (self.folder / "config.ini").write_text(CONFIG)

    def words(self, *arguments, methods=("fedavg", "harmofl", "ditto"), budget=("--budget", 400)):
        words = ["--methods", *methods, "--space", self.folder / "space.ini", *budget, "--halving"]
        words += ["--config", self.folder / "config.ini", "--output", self.output, "--program", self.program]
        return [sys.executable, str(TOOL), *map(str, [*words, *arguments])]

    def call(self, words, code=0, **env):
        done = subprocess.run(
            words, env={**os.environ, **env}, capture_output=True, text=True, check=False, cwd=self.folder
        )
        self.assertEqual(done.returncode, code, f"{done.stdout}\n{done.stderr}")
        return done

    def tune(
        self, *arguments, code=0, methods=("fedavg", "harmofl", "ditto"), budget=("--budget", 400), **env
    ):
        return self.call(self.words(*arguments, methods=methods, budget=budget), code, **env)

    def refuses(self, text, *arguments, **options):
        said = self.tune(*arguments, code=1, **options).stderr
        errors = [line for line in said.splitlines() if line.startswith("error: ")]
        self.assertEqual(len(errors), 1, said)
        self.assertIn(text, errors[0])

    def rows(self):
        with open(self.output / "trials.csv", newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def starts(self):
        """By trial, the rounds that were done whenever its run started."""
        return {
            path.parent.name: [int(line) for line in path.read_text().split()]
            for path in sorted(self.output.glob("trials/*/starts"))
        }

    def steps_on_record(self, method):
        """Counted by hand."""
        total = 0
        for path in self.output.glob(f"trials/{method}-*/rounds.jsonl"):
            total += sum(json.loads(line)["client_steps"] for line in path.read_text().splitlines())
        return total


def score(lr, rounds):
    return 1 - (math.log10(lr) + 2) ** 2 / 10 - 0.1 / rounds


class Tuning(TuneTest):
    def test_every_method_gets_the_same_steps_and_finds_its_best(self):
        said = self.tune()
        rows = self.rows()
        for method, factor in tune_support.FACTOR.items():
            own = [row for row in rows if row["method"] == method]
            first = [tune_support.STEPS * factor]
            counted = self.steps_on_record(method)
            self.assertEqual(counted, sum(int(row["client_steps"]) for row in own))
            self.assertTrue(400 - first[0] < counted <= 400, (method, counted))
            # The fake's order is the same on all rungs: the best of all is found.
            best = max(own, key=lambda row: (score(float(row["train.lr"]), 9), -int(row["trial"])))
            self.assertEqual(best["status"], "best")
            self.assertAlmostEqual(float(best["dice"]), score(float(best["train.lr"]), 9))
            self.assertIn(f"lr = {best['train.lr']}\n", (self.output / f"best/{method}.ini").read_text())
            for row in own:
                self.assertEqual(int(row["rounds"]), {"out": int(row["rounds"])}.get(row["status"], 9))
                self.assertAlmostEqual(float(row["validation_1"]), score(float(row["train.lr"]), 1))
        self.assertIn("| fedavg ", said.stdout)
        self.assertIn("best/$method.ini", said.stdout)
        self.assertEqual(said.stdout.count("lies at the"), 0)

    def test_the_best_of_each_rung_go_on_from_their_checkpoints(self):
        self.tune(methods=("fedavg",))
        rows = self.rows()
        starts = self.starts()
        for row in rows:
            expected = {"1": [0], "3": [0, 1], "9": [0, 1, 3]}[row["rounds"]]
            self.assertEqual(starts[f"fedavg-{int(row['trial']):03}"], expected)
        for before, after, column in (("1", "3", "validation_1"), ("3", "9", "validation_3")):
            out = [float(row[column]) for row in rows if row["rounds"] == before]
            on = [float(row[column]) for row in rows if int(row["rounds"]) >= int(after)]
            self.assertGreater(min(on), max(out))

    def test_a_second_call_runs_nothing_and_writes_the_same(self):
        self.tune()
        files = {name: (self.output / name).read_text() for name in ("trials.csv", "tuning.md", "plan.json")}
        starts = self.starts()
        self.tune()
        self.assertEqual(self.starts(), starts)
        self.assertEqual({name: (self.output / name).read_text() for name in files}, files)

    def test_jobs_and_interruptions_change_nothing(self):
        self.tune()
        expected, plan = self.rows(), json.loads((self.output / "plan.json").read_text())
        self.output = self.folder / "killed"
        for _ in range(2):  # every run dies in its second round
            self.tune("--jobs", 2, code=1, FAKE_KILL="2")
        self.tune("--jobs", 3)
        self.assertEqual(self.rows(), expected)
        self.assertEqual(json.loads((self.output / "plan.json").read_text()), plan)

    def test_a_killed_tuning_goes_on(self):
        self.tune()
        expected = self.rows()
        self.output = self.folder / "killed"
        killed = 0
        for _ in range(3):
            process = subprocess.Popen(
                self.words(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder
            )
            before = len(self.starts())
            while process.poll() is None and len(self.starts()) < before + 3:
                time.sleep(0.01)
            killed += process.poll() is None
            process.kill()
            process.wait()
            tune_support.until_unused(self.output)
        self.assertGreater(killed, 1)
        self.tune()
        self.assertEqual(self.rows(), expected)

    def test_asked_to_end_it_says_so_and_starts_no_more(self):
        process = subprocess.Popen(
            self.words(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=self.folder
        )
        while len(self.starts()) < 2:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 75, said)
        self.assertIn("the same call goes on", said)
        self.assertLess(len(self.starts()), 20)

    def test_what_becomes_nan_is_worst_and_leaves_its_budget_to_others(self):
        said = self.tune(methods=("fedavg",), budget=("--budget", 700), FAKE_NAN="0.01")
        rows = self.rows()
        diverged = [row for row in rows if row["status"] == "diverged"]
        for row in diverged:
            self.assertGreater(float(row["train.lr"]), 0.01)
            self.assertEqual(row["rounds"], "1")
            self.assertIn(f"fedavg-{int(row['trial']):03} counts as worst: error: client a", said.stderr)
        self.assertTrue(diverged)
        self.assertEqual({row["rounds"] for row in rows if float(row["train.lr"]) > 0.01}, {"1"})
        sizes = json.loads((self.output / "plan.json").read_text())["methods"]["fedavg"]["sizes"]
        self.assertGreater(sum(row["rounds"] == "9" for row in rows), sizes[2])
        self.assertTrue(700 - 60 < self.steps_on_record("fedavg") <= 700)
        starts = self.starts()
        self.tune(methods=("fedavg",), budget=("--budget", 700))  # what failed stays failed
        self.assertEqual(self.starts(), starts)
        self.assertEqual(self.rows(), rows)

    def test_a_run_that_fails_otherwise_stops_the_tuning_or_counts_as_worst(self):
        self.refuses("out of memory", methods=("fedavg",), FAKE_FAIL="0.001")
        self.tune("--on-failure", "worst", methods=("fedavg",), FAKE_FAIL="0.001")
        failed = [row for row in self.rows() if row["status"] == "failed"]
        self.assertTrue(failed)
        for row in failed:
            self.assertLess(float(row["train.lr"]), 0.001)
            self.assertEqual((row["rounds"], row["dice"]), ("0", ""))

    def test_a_method_without_a_trial_that_works_is_said_and_fails(self):
        said = self.tune("--on-failure", "worst", methods=("fedavg",), code=1, FAKE_FAIL="10")
        self.assertIn("fedavg: no trial has a validation to choose by", said.stdout)
        self.assertFalse((self.output / "best/fedavg.ini").exists())

    def test_a_best_value_at_an_end_is_said(self):
        (self.folder / "space.ini").write_text("[all]\ntrain.lr = log-uniform 1e-5..1e-2\n")
        said = self.tune(methods=("fedavg",))
        self.assertIn("lies at the highest end of log-uniform 1e-05..0.01", said.stdout)

    def test_a_grid_says_what_it_left(self):
        said = self.tune("--sampler", "grid", "--levels", 3, methods=("fedavg",))
        self.assertIn("of the budget were not used", said.stdout)
        self.assertEqual({row["train.lr"] for row in self.rows()}, {"0.0001", "0.01", "1"})

    def test_without_halving_every_trial_has_all_rounds(self):
        words = self.words(methods=("fedavg", "harmofl"))
        words.remove("--halving")
        self.call(words)
        rows = self.rows()
        self.assertEqual({row["rounds"] for row in rows}, {"9"})
        self.assertEqual([row["method"] for row in rows], ["fedavg"] * 4 + ["harmofl"] * 2)

    def test_report_tells_of_a_tuning_that_is_not_done(self):
        self.tune("--plan")
        said = self.call([sys.executable, str(TOOL), "report", str(self.output)])
        self.assertIn("Trials are missing", said.stdout)
        self.assertEqual({row["status"] for row in self.rows()}, {"waiting"})
        self.assertFalse(self.starts())


class Joules(TuneTest):
    def test_every_method_gets_the_same_joules(self):
        self.tune(budget=("--budget-joules", 200), FAKE_JOULES="0.5")
        rows = self.rows()
        for method, factor in tune_support.FACTOR.items():
            joules = sum(float(row["joules"]) for row in rows if row["method"] == method)
            self.assertEqual(joules, 0.5 * self.steps_on_record(method))
            self.assertTrue(200 - 5 * factor < joules <= 200, joules)
        starts = self.starts()
        self.tune(budget=("--budget-joules", 200))
        self.assertEqual(self.starts(), starts)

    def test_without_joules_on_record_it_is_refused(self):
        self.refuses("they are not available on this machine", budget=("--budget-joules", 200))
        self.refuses("Call this with --plan", "--array", 2, budget=("--budget-joules", 200))
        self.refuses("share one meter", "--jobs", 2, budget=("--budget-joules", 200))


class Refusals(TuneTest):
    def test_another_request_in_the_same_folder(self):
        self.tune("--plan")
        for arguments, text in (
            (("--seed", 1), "seed = 0, not 1"),
            (("--sampler", "random"), "sampler = sobol, not random"),
            (("--", "--train.momentum", "0.5"), "config: train.momentum = None, not 0.5"),
        ):
            with self.subTest(arguments):
                self.refuses(text, *arguments)
        self.refuses("budget = 400.0, not 2000.0", budget=("--budget", 2000))
        self.refuses("methods = ", methods=("fedavg",))

    def test_what_the_program_refuses_is_refused_before_anything_runs(self):
        self.refuses("algorithm.name = fedavgg is unknown", methods=("fedavgg",))
        (self.folder / "space.ini").write_text("[all]\ntrain.lr = log-uniform 1e-4..100\n")
        self.refuses("train.lr = 100 is refused")
        self.assertFalse(self.output.exists())

    def test_no_validation(self):
        self.refuses("no site was validated", FAKE_VAL="no")

    def test_records_of_an_older_program(self):
        folder = self.folder / "run"
        folder.mkdir()
        (folder / "rounds.jsonl").write_text('{"round": 0, "seconds": 1}\n')
        with self.assertRaisesRegex(Exception, "no client_steps: an older harmofl"):
            records.used(folder)

    def test_command_lines(self):
        for words, text in (
            (("report",), "takes other arguments"),
            (("report", self.folder), "there is no such file"),
        ):
            done = self.call([sys.executable, str(TOOL), *map(str, words)], code=1)
            self.assertIn(text, done.stderr)
        self.assertIn("number above 0", self.call(self.words("--jobs", 0), code=2).stderr)
        self.assertIn("not allowed with", self.tune("--budget-joules", 5, code=2).stderr)


class Records(TuneTest):
    """What is read of a run folder."""

    def write(self, metrics, rounds=()):
        folder = self.folder / "run"
        folder.mkdir(exist_ok=True)
        for name, lines in (("metrics", metrics), ("rounds", rounds)):
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return folder

    def val(self, number, site, value, **more):
        return {"round": number, "site": site, "split": "val", "dice": value, "auc": value, **more}

    def test_the_best_round_is_that_of_the_mean_over_sites_that_train(self):
        lines = [
            self.val(0, "a", 0.5),
            self.val(0, "b", 0.7),
            self.val(0, "new", 1.0, held_out=True),
            {**self.val(1, "a", 0.99), "split": "test"},
            self.val(1, "a", 0.7),
            self.val(1, "b", 0.5),
            self.val(2, "a", 0.9),
            self.val(2, "b", None),
            self.val(3, "a", 0.8),
            self.val(3, "b", 0.8),
        ]
        folder = self.write(lines)
        dice, auc = Measure("dice", False, False), Measure("auc", False, True)
        self.assertEqual(records.validation(folder, 3, dice), (0.6, 0))  # the first of equal ones
        self.assertEqual(records.validation(folder, 4, dice), (0.8, 3))
        self.assertEqual(records.validation(folder, 4, auc), (0.9, 2))
        self.assertEqual(records.validation(folder, 4, Measure("dice", True, False)), (0.6, 0))
        self.assertIsNone(records.validation(folder, 0, dice))

    def test_joules_are_those_of_all_rounds_or_none(self):
        line = {"round": 0, "client_steps": 3, "seconds": 1}
        cpu = {"cpu": {"train": [1, 2], "evaluate": [0.5, 0]}, "gpu": {"train": [4, 8]}}
        lost = {"cpu": {"train": [1, None]}}
        for joules, expected in (((1.5, 2), 3.5), ((cpu, 1), 16.5), ((1, None), None), ((1, lost), None)):
            folder = self.write([], [{**line, "round": i, "joules": value} for i, value in enumerate(joules)])
            self.assertEqual(records.used(folder).joules, expected)
        self.assertIsNone(records.used(self.write([], [line])).joules)
        self.assertIsNone(records.used(self.folder).joules)

    def test_a_line_that_is_cut_off_is_left_out(self):
        folder = self.write([], [{"round": 0, "client_steps": 3, "seconds": 1}])
        with open(folder / "rounds.jsonl", "a") as file:
            file.write('{"round": 1, "client_st')
        self.assertEqual(records.used(folder).client_steps, 3)

    def test_patience_ends_a_trial_on_its_rung(self):
        folder = self.write([], [{"round": 0, "client_steps": 3, "seconds": 1}])
        for summary, rounds, expected in (
            ({"rounds": 1, "stopped_by": "run.rounds"}, 1, True),
            ({"rounds": 1, "stopped_by": "run.rounds"}, 2, False),
            ({"rounds": 1, "stopped_by": "run.patience"}, 2, True),
        ):
            (folder / "summary.json").write_text(json.dumps(summary))
            self.assertEqual(records.has_reached(folder, rounds), expected)

    def test_a_rung_is_decided_by_its_own_rounds_though_runs_have_gone_on(self):
        self.tune(methods=("fedavg",))
        study = read_study(self.output)
        second = [trial.number for trial in on_rung(study, "fedavg", 1)]
        expected = sorted(
            (row for row in self.rows()), key=lambda row: (-float(row["validation_1"]), int(row["trial"]))
        )
        self.assertEqual(second, [int(row["trial"]) for row in expected[: len(second)]])

    def test_ini_text_is_read_back(self):
        config = {"run.rounds": "3", "train.lr": "0.1", "run.seed": "1"}
        self.assertEqual(ini_text(config), "[run]\nrounds = 3\nseed = 1\n\n[train]\nlr = 0.1\n")


if __name__ == "__main__":
    unittest.main()
