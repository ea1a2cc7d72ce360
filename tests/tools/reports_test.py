#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The tables of tools/compare_runs.py and tools/report_study.py, from summaries written here."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))

import report_study  # noqa: E402


def summary(**dice):
    """What a run with this test Dice by site leaves; of one site harmofl 0.1 said a deviation of 0."""
    values = list(dice.values())
    mean = sum(values) / len(values)
    deviation = (sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)) ** 0.5
    return {
        "method": "fedavg",
        "test": {
            "sites": {site: {"dice": value} for site, value in dice.items()},
            "mean": {"dice": mean},
            "std": {"dice": deviation},
        },
    }


class CompareRuns(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def rows(self, **runs):
        """The printed rows by their first word, of runs by their folder's name."""
        for name, content in runs.items():
            (self.folder / name).mkdir()
            (self.folder / name / "summary.json").write_text(json.dumps(content))
        command = [sys.executable, TOOLS / "compare_runs.py", *(self.folder / name for name in runs)]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return {line.split()[0]: line.split()[1:] for line in text.splitlines()}

    def test_several_sites_have_a_mean_and_a_deviation(self):
        rows = self.rows(one=summary(north=0.5, south=0.7), two=summary(north=0.6, south=0.6))
        self.assertEqual(rows["mean"], ["0.6000", "0.6000", "+0.0000"])
        self.assertEqual(rows["std"], ["0.1414", "0.0000"])

    def test_one_site_has_no_deviation(self):
        self.assertNotIn("std", self.rows(one=summary(north=0.5), two=summary(north=0.6)))

    def test_a_run_with_one_site_has_none_beside_one_with_two(self):
        rows = self.rows(one=summary(north=0.5), two=summary(north=0.6, south=0.6))
        self.assertEqual(rows["std"], ["-", "0.0000"])


class ReportStudy(unittest.TestCase):
    def test_one_value_has_no_spread(self):
        self.assertEqual(report_study.spread([0.25]), "0.250")
        self.assertEqual(report_study.spread([0.25, 0.75]), "0.500 ± 0.354")

    def test_runs_with_one_site_have_no_deviation_over_sites(self):
        one, two = summary(north=0.5), summary(north=0.5, south=0.7)
        self.assertEqual(report_study.spread(report_study.deviations([one])), "-")
        self.assertEqual(report_study.spread(report_study.deviations([one, two])), "0.141")


if __name__ == "__main__":
    unittest.main()
