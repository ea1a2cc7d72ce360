#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/to_mlflow.py, read back by MLflow's own client."""

import json
import math
import os
import subprocess
import sys
import unittest

import support
from support import TINY, train

PROGRAM = support.SOURCE / "tools/to_mlflow.py"
MISSING = "MLflow's client is not installed (tools/install-deps.sh --mlflow does)"

try:
    from mlflow.tracking import MlflowClient
except ImportError:
    MlflowClient = None

# MLflow tells nobody of its use, and does not warn of what it plans.
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_ALLOW_FILE_STORE": "true"}
os.environ.update(QUIET)


class Mlflow(support.ProgramTest):
    def setUp(self):
        super().setUp()
        if MlflowClient is None:
            self.assertFalse(os.environ.get("CI"), MISSING)
            raise unittest.SkipTest(MISSING)
        self.uri = (self.folder / "mlruns").as_uri()
        self.run_folder = self.folder / "run"

    def export(self, *arguments):
        command = (sys.executable, PROGRAM, self.run_folder, "--tracking-uri", self.uri, *arguments)
        return support.run(command)

    def exported(self, *arguments):
        self.succeeds(self.export(*arguments))
        client = MlflowClient(tracking_uri=self.uri)
        experiment = client.get_experiment_by_name("harmofl")
        return client, client.search_runs([experiment.experiment_id])

    def trained(self, rounds, *arguments):
        result = train(support.federation(), self.run_folder, *TINY, "--run.rounds", rounds, *arguments)
        return self.succeeds(result)

    def history(self, client, run, key):
        return [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, key)]

    def assert_metrics(self, client, run):
        """Every number of metrics.jsonl is there once, at its round."""
        expected = {}
        for line in support.metrics(self.run_folder):
            for name, value in line.items():
                if name not in ("round", "site", "split", "seconds"):
                    key = f"{line['split']}_{name}/{line['site']}"
                    expected.setdefault(key, []).append((line["round"], value))
        self.assertTrue(expected)
        for key, values in expected.items():
            self.assertEqual(self.history(client, run, key), values, key)

    def test_a_finished_run(self):
        self.trained(2)
        client, runs = self.exported("--models")
        self.assertEqual(len(runs), 1)
        run = runs[0]
        self.assertEqual(run.info.status, "FINISHED")
        self.assertEqual(run.data.params["model.width"], "2")
        self.assertEqual(run.data.tags["harmofl.method"], "harmofl")
        self.assert_metrics(client, run)
        rounds = support.json_lines(self.run_folder / "rounds.jsonl")
        self.assertEqual(
            self.history(client, run, "round/seconds"),
            [(i, line["seconds"]) for i, line in enumerate(rounds)],
        )
        self.assertEqual(
            self.history(client, run, "phase_max/train"),
            [(i, line["phases"]["train"]["max"]) for i, line in enumerate(rounds)],
        )
        summary = support.summary(self.run_folder)
        self.assertEqual(run.data.metrics["best/test_dice"], summary["test"]["mean"]["dice"])
        names = {file.path for file in client.list_artifacts(run.info.run_id)}
        self.assertEqual(
            names, {"best.h5", "config.ini", "metrics.jsonl", "rounds.jsonl", "run.json", "summary.json"}
        )
        downloaded = client.download_artifacts(run.info.run_id, "best.h5", str(self.folder))
        with open(downloaded, "rb") as file:
            self.assertEqual(file.read(), (self.run_folder / "best.h5").read_bytes())

    def test_again_while_it_goes_on_and_after_it_was_extended(self):
        self.trained(2)
        self.exported()
        client, runs = self.exported()  # nothing is new
        self.assert_metrics(client, runs[0])
        self.trained(4, "--run.resume")
        client, runs = self.exported()
        self.assertEqual(len(runs), 1)
        self.assert_metrics(client, runs[0])
        self.assertEqual(runs[0].data.params["run.rounds"], "2")
        self.assertEqual(runs[0].data.tags["changed.run.rounds"], "4")
        self.assertEqual(runs[0].data.metrics["round/seconds"], runs[0].data.metrics["round/seconds"])
        client, again = self.exported("--anew")
        self.assertEqual(len(again), 2)

    def test_a_run_that_was_killed_in_the_middle_of_a_line(self):
        self.trained(2)
        (self.run_folder / "summary.json").unlink()
        with (self.run_folder / "metrics.jsonl").open("a") as file:
            file.write('{"round":2,"site":"si')
        client, runs = self.exported()
        self.assertEqual(runs[0].info.status, "KILLED")

    def test_values_that_are_not_finite(self):
        self.trained(2)
        lines = (self.run_folder / "metrics.jsonl").read_text().splitlines()
        entries = [json.loads(line) for line in lines]
        changed = next(entry for entry in entries if entry["split"] == "val")
        changed["dice"] = None
        (self.run_folder / "metrics.jsonl").write_text("".join(json.dumps(e) + "\n" for e in entries))
        client, runs = self.exported()
        values = self.history(client, runs[0], f"val_dice/{changed['site']}")
        self.assertTrue(math.isnan(values[0][1]))
        self.exported()  # and they are known again

    def test_another_run_in_the_same_folder(self):
        self.trained(2)
        client, runs = self.exported()
        for file in self.run_folder.iterdir():
            file.unlink()
        self.trained(2, "--run.seed", 5)
        self.fails(self.export(), 1, self.run_folder, "another run", runs[0].info.run_id, "--anew")
        client, runs = self.exported("--anew")
        self.assertEqual(len(runs), 2)
        self.exported()  # goes to the newest
        self.assertEqual(len(client.search_runs([runs[0].info.experiment_id])), 2)

    def test_what_is_not_a_run(self):
        self.run_folder.mkdir()
        self.fails(self.export(), 1, self.run_folder, "config.ini")


class WithoutMlflow(support.ProgramTest):
    def test_says_how_to_get_it(self):
        (self.folder / "mlflow.py").write_text("raise ImportError('away')\n")
        result = subprocess.run(
            [sys.executable, str(PROGRAM), str(self.folder), "--tracking-uri", "x"],
            env={**os.environ, "PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(result.returncode, 1)
        self.assertIn("tools/install-deps.sh --mlflow", result.stderr)


if __name__ == "__main__":
    support.main()
