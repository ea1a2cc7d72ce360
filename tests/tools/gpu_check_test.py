# SPDX-License-Identifier: Apache-2.0
"""tools/gpu_check: limits, what becomes of parts, and the report; with commands of the shell as parts.

By hand, from the root of the checkout: .deps/venv/bin/python tests/tools/gpu_check_test.py
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from gpu_check import __main__ as program  # noqa: E402
from gpu_check import parts, report, running, smoke  # noqa: E402

MACHINE = {"commit": "abc", "GPUs": "none"}


def part(name, script, limit=60, **more):
    return parts.Part(name, ("/bin/sh", "-c", script), limit, **more)


class InFolder(unittest.TestCase):
    """Tests with a folder of their own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="harmofl-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_part(self, one, left=None):
        return running.run(one, left, self.folder / "log.txt")

    def check(self, all_parts, seconds=None, again=False):
        """The report's content after a call."""
        made = report.Report(self.folder, MACHINE, [one.name for one in all_parts], again)
        made.save()
        program.check(all_parts, made, seconds)
        return json.loads((self.folder / "report.json").read_text())

    def results(self, content):
        return {one["name"]: one["result"] for one in content["parts"]}


class Limits(unittest.TestCase):
    """Seconds that a part may take, and whether they are its own limit."""

    def test_the_smaller_of_its_own_and_what_is_left(self):
        one = part("x", "true", limit=60)
        for left, expected in (
            (None, (60, True)),
            (60, (60, True)),
            (1000, (60, True)),
            (59, (59, False)),
            (-3, (-3, False)),
        ):
            self.assertEqual(running.limit_of(one, left), expected, left)


class Running(InFolder):
    """What becomes of a part."""

    def test_its_exit_status_decides(self):
        for script, result, note in (
            ("true", "passed", ""),
            ("exit 3", "failed", "exit status 3"),
            ("kill -SEGV $$", "failed", "signal 11"),
            ("echo no GPU here; exit 77", "skipped", "no GPU here"),
            (
                "echo 'x.cpp:3: Skipped'; echo 'no usable GPU: why'; echo summary; exit 77",
                "skipped",
                "no usable GPU: why",
            ),
        ):
            outcome = self.run_part(part("x", script))
            self.assertEqual((outcome.result, outcome.note), (result, note), script)

    def test_of_a_failure_the_last_lines_are_kept(self):
        outcome = self.run_part(part("x", "seq 100; exit 1"))
        self.assertEqual(outcome.tail.splitlines(), [str(k) for k in range(61, 101)])

    def test_a_program_that_is_not_there_has_failed(self):
        outcome = self.run_part(parts.Part("x", ("/no/such/program",), 60))
        self.assertEqual(outcome.result, "failed")
        self.assertIn("/no/such/program", outcome.note)

    def test_what_is_missing_is_not_started(self):
        outcome = self.run_part(part("x", f"touch {self.folder}/started", missing="no such tool"))
        self.assertEqual((outcome.result, outcome.note), ("skipped", "no such tool"))
        self.assertFalse((self.folder / "started").exists())

    def test_after_its_limit_all_of_its_processes_are_ended(self):
        outcome = self.run_part(
            part("x", f"sleep 300 & echo $! >{self.folder}/pid; echo begun; sleep 300", limit=6)
        )
        self.assertEqual(
            (outcome.result, outcome.note, outcome.tail.splitlines()[-1]),
            ("timed out", "ended after its 6 s", "begun"),
        )
        self.assert_ended(int((self.folder / "pid").read_text()))

    def test_what_it_leaves_running_is_ended(self):
        outcome = self.run_part(part("x", f"sleep 300 & echo $! >{self.folder}/pid"))
        self.assertEqual(outcome.result, "passed")
        self.assert_ended(int((self.folder / "pid").read_text()))

    def assert_ended(self, pid):
        for _ in range(100):
            state = subprocess.run(
                ("ps", "-o", "stat=", "-p", str(pid)), capture_output=True, text=True, check=False
            )
            if state.stdout.strip()[:1] in ("", "Z"):
                return
            time.sleep(0.1)
        self.fail(f"process {pid} still runs")

    def test_cut_off_by_the_time_in_all_it_counts_as_not_run(self):
        outcome = self.run_part(part("x", "sleep 300"), left=running.LEAST)
        self.assertEqual(outcome.result, "not run")
        outcome = self.run_part(part("x", f"touch {self.folder}/started"), left=running.LEAST - 1)
        self.assertEqual(outcome.result, "not run")
        self.assertFalse((self.folder / "started").exists())


class Checks(InFolder):
    """Part after part, and a report after each."""

    def test_the_report_is_there_after_every_part(self):
        seen = f"cp {self.folder}/report.json {self.folder}/seen-$0.json"
        content = self.check(
            [parts.Part(name, ("/bin/sh", "-c", seen, name), 60) for name in ("a", "b")]
            + [part("c", "exit 1")]
        )
        before = [
            self.results(json.loads((self.folder / f"seen-{name}.json").read_text())) for name in ("a", "b")
        ]
        self.assertEqual(before[0], {"a": "not run", "b": "not run", "c": "not run"})
        self.assertEqual(before[1], {"a": "passed", "b": "not run", "c": "not run"})
        self.assertEqual(self.results(content), {"a": "passed", "b": "passed", "c": "failed"})

    def count(self):
        path = self.folder / "count"
        return path.read_text().count("x") if path.exists() else 0

    def test_a_later_call_runs_what_was_not_run_and_no_more(self):
        counted = part("a", f"printf x >>{self.folder}/count")
        self.check([counted, part("b", "true")], seconds=running.LEAST - 1)
        self.assertEqual(self.count(), 0)
        for _ in range(2):
            content = self.check([counted, part("b", "true")])
            self.assertEqual(self.results(content), {"a": "passed", "b": "passed"})
            self.assertEqual(self.count(), 1)
        self.check([counted, part("b", "true")], again=True)
        self.assertEqual(self.count(), 2)

    def test_results_of_another_machine_or_bundle_do_not_hold(self):
        counted = [part("a", f"printf x >>{self.folder}/count")]
        self.check(counted)
        old = json.loads((self.folder / "report.json").read_text())
        old["machine"]["GPUs"] = "one"
        (self.folder / "report.json").write_text(json.dumps(old))
        self.check(counted)
        self.assertEqual(self.count(), 2)

    def test_figures_that_parts_leave_are_in_the_report(self):
        row = {
            "name": "f",
            "ours": 1.0,
            "other": 2.0,
            "ratio": 2.0,
            "spread": [1.5, 2.5],
            "repeats": 5,
            "what": "s | t",
        }
        empty = {**row, "name": "g", "ratio": None, "what": "not installed"}
        (self.folder / "rows.json").write_text(json.dumps([row, empty]))
        content = self.check([part("bench/f", f"cp {self.folder}/rows.json {self.folder}/figures/f.json")])
        self.assertEqual([one["name"] for one in content["figures"]], ["f", "g"])
        text = (self.folder / "report.md").read_text()
        self.assertIn("| f | 1 | 2 | 2.000 (1.500 to 2.500) | s \\| t |", text)
        self.assertIn("| g | - | - | - | not installed |", text)

    def test_a_failure_is_told_with_its_output(self):
        self.check([part("a", "echo what went wrong; exit 4"), part("b", "true")])
        text = (self.folder / "report.md").read_text()
        self.assertIn("1 passed, 1 failed", text)
        self.assertIn("## a: failed, exit status 4\n\n```\n/bin/sh -c", text)
        self.assertIn("what went wrong\n```", text)


class Parts(unittest.TestCase):
    """What is run."""

    def test_suites_are_read_from_googletests_list(self):
        listing = "Running main() from x.cc\nBatchesOnGpu.\n  have_the_bits.\n  stay\nStepOnGpu.\n  trains\n"
        self.assertEqual(parts.suites(listing), ["BatchesOnGpu", "StepOnGpu"])

    def test_patterns_choose_by_name(self):
        known = [part(name, "true") for name in ("start", "tests/A", "tests/B", "bench/a/bf16/eager")]
        for patterns, expected in (
            ([], ["start", "tests/A", "tests/B", "bench/a/bf16/eager"]),
            (["tests/*"], ["tests/A", "tests/B"]),
            (["start", "*bf16*"], ["start", "bench/a/bf16/eager"]),
            (["nothing"], []),
        ):
            self.assertEqual([one.name for one in parts.chosen(known, patterns)], expected)

    def test_without_the_cuda_toolkit_its_part_says_so(self):
        path, os.environ["PATH"] = os.environ["PATH"], "/nowhere"
        self.addCleanup(os.environ.__setitem__, "PATH", path)
        if parts.cuda_tool("compute-sanitizer") is None:
            self.assertIn("not installed", parts.sanitizer(pathlib.Path("/b")).missing)


class Smoke(unittest.TestCase):
    """Runs that must be the same."""

    def test_the_first_difference_is_told(self):
        one = [{"round": 0, "loss": 0.5}, {"round": 1, "loss": 0.25}]
        self.assertEqual(smoke.difference(one, [dict(line) for line in one]), "")
        self.assertIn("0.26", smoke.difference(one, [one[0], {"round": 1, "loss": 0.26}]))
        self.assertIn("2 lines", smoke.difference(one, one[:1]))

    def test_times_do_not_count(self):
        self.assertEqual(smoke.without_seconds({"loss": 1, "seconds": 2}), {"loss": 1})


if __name__ == "__main__":
    unittest.main()
