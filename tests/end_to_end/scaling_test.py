# SPDX-License-Identifier: Apache-2.0
"""tools/scaling.py on real runs: a study at 1 and 2 ranks, its report and its projection."""

import csv
import json
import shutil
import sys
import unittest

import support
from support import SOURCE

try:
    import matplotlib
except ImportError:
    matplotlib = None

sys.path.insert(0, str(SOURCE / "tools"))
from scaling import records

CONFIG = """[run]
rounds = 4
evaluate_every = 100
save_every = 100
[data]
shards = {shards}
batch_size = 4
[algorithm]
name = fedavg
"""


@unittest.skipIf(matplotlib is None, "matplotlib is not installed (tools/install-deps.sh does)")
class ScalingStudy(support.ProgramTest):
    """What a user runs."""

    def setUp(self):
        super().setUp()
        self.config = self.folder / "study.ini"
        self.config.write_text(CONFIG.format(shards=support.federation("classification")))
        self.output = self.folder / "study"

    def scaling(self, command, *arguments):
        return support.run(
            (sys.executable, SOURCE / "tools/scaling.py", command, *arguments),
            env={"HARMOFL": support.HARMOFL},
        )

    def study(self, *arguments):
        return self.succeeds(
            self.scaling(
                "run",
                "--config",
                self.config,
                "--output",
                self.output,
                "--ranks",
                "1,2",
                "--repeat",
                2,
                "--warm-up",
                1,
                *arguments,
            )
        )

    def test_runs_in_turns_and_reports_times_that_add_up(self):
        said = self.study("--", "--train.lr", "0.01")
        order = [line for line in said.stderr.splitlines() if " ranks, run " in line]
        self.assertEqual(
            order,
            ["1 ranks, run 1 of 2", "2 ranks, run 1 of 2", "1 ranks, run 2 of 2", "2 ranks, run 2 of 2"],
        )
        with open(self.output / "rounds.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([row["round"] for row in rows], ["1", "2"] * 4)
        for row in rows:
            self.assertAlmostEqual(sum(float(row[name]) for name in records.PHASES), float(row["seconds"]))
            self.assertGreater(float(row["train"]), 0)
            self.assertGreater(float(row["peak_memory_bytes"]), 2**20)
            self.assertGreater(float(row["sent_bytes"]), 4)
        report = json.loads((self.output / "report.json").read_text())
        self.assertEqual([one["bound"] for one in report["ranks"]], [1.0, 1.5])  # 3 clients
        for name in ("speed-up", "efficiency", "phases"):
            self.assertTrue((self.output / f"{name}.png").read_bytes().startswith(b"\x89PNG"))
        config = (self.output / "ranks-0002/run-2/config.ini").read_text()
        self.assertIn("lr = 0.01", config)
        self.assertIn("threads = 1", config)

    def test_a_run_that_fails_ends_the_study_with_what_it_said(self):
        self.fails(
            self.scaling(
                "run",
                "--config",
                self.config,
                "--output",
                self.output,
                "--ranks",
                "2",
                "--",
                "--train.lr",
                "fast",
            ),
            1,
            "train.lr",
            "run-1.log",
        )

    def test_weak_scaling_gives_each_rank_a_shard_more(self):
        self.study("--kind", "weak", "--", "--data.shards", support.federation("classification"))
        report = json.loads((self.output / "report.json").read_text())
        self.assertEqual([one["clients"] for one in report["ranks"]], [1, 2])
        self.assertEqual(report["study"]["shards_a_rank"], 1)

    @unittest.skipIf(
        shutil.which("smpirun") is None,
        "smpirun is missing (tools/install-deps.sh --cluster installs SimGrid)",
    )
    def test_projects_what_was_run_with_its_error(self):
        self.study()
        said = self.succeeds(
            self.scaling(
                "project",
                self.output,
                "--platform",
                SOURCE / "tools/scaling/platforms/dragonfly.json",
                "--ranks",
                "1,2,...,8",
            )
        )
        result = json.loads((self.output / "projection-dragonfly.json").read_text())
        self.assertEqual([row["ranks"] for row in result["validation"]], [1, 2])
        self.assertEqual([row["idle_ranks"] for row in result["same"]], [0, 0, 1, 5])
        for row in result["validation"]:
            error = row["from_one_rank"]["seconds"] / row["measured"]["median"] - 1
            self.assertEqual(row["from_one_rank"]["error"], error)
            self.assertIn(f"{100 * error:+.1f} %", said.stdout)
        self.assertTrue((self.output / "projection-dragonfly.png").exists())


if __name__ == "__main__":
    support.main()
