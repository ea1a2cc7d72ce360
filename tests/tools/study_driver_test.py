#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How tools/study.py runs its runs, with a program that only pretends to train."""

import json
import os
import pathlib
import signal
import sys
import tempfile
import textwrap
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

try:
    from study.driver import Driver, duration, last_line
    from study.experiments import EXPERIMENTS
    from study.plan import plan
    from study.steps import Tools, steps
except ImportError as missing:  # set up without tools/install-deps.sh
    print(f"skipped: {missing} (tools/install-deps.sh installs it)")
    sys.exit(77)

# Leaves a summary; by what its environment says it fails, waits, or saves when it is asked to.
PROGRAM = """
    #!{python}
    import os, pathlib, signal, sys, time
    options = dict(zip(sys.argv[2::2], sys.argv[3::2]))
    folder = pathlib.Path(options["--run.output"])
    if "FAILS" in os.environ and os.environ["FAILS"] in str(folder):
        print("error: it is broken.", file=sys.stderr)
        sys.exit(1)
    with (folder / "starts").open("a") as file:
        file.write(f"{{sorted(os.sched_getaffinity(0))}} {{os.environ['OMP_NUM_THREADS']}}\\n")
    if "WAITS" in os.environ and not (folder / "saved").exists():
        def save(*_):
            (folder / "saved").touch()
            sys.exit(75)
        signal.signal(signal.SIGTERM, save)
        (folder / "waits").touch()
        while True:
            time.sleep(0.01)
    time.sleep(float(os.environ.get("SECONDS_A_RUN", "0")))
    if "LEAVES_NOTHING" not in os.environ:
        (folder / "summary.json").write_text("{{}}")
"""


def processes(program):
    """The processes that run a program, and their states as in /proc/PID/stat."""
    found = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if str(program) in (folder / "cmdline").read_text().split("\0"):
                found[int(folder.name)] = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            pass  # it has ended
    return found


class NoStore:
    """Data that are there already."""

    folder = pathlib.Path("data")

    def shards(self, data):
        return pathlib.Path(data.name)


class DriverTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="harmofl-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        program = self.folder / "harmofl"
        program.write_text(textwrap.dedent(PROGRAM).strip().format(python=sys.executable) + "\n")
        program.chmod(0o755)
        self.tools = Tools(
            str(program), pathlib.Path("x.ini"), self.folder / "out", NoStore(), measured=False
        )
        self.cases = plan(EXPERIMENTS["new-sites"], [0])[:4]
        self.lines = []

    def driver(self, jobs=1, **options):
        return Driver(self.tools, jobs, say=self.lines.append, **options)

    def set(self, **variables):
        for name, value in variables.items():
            os.environ[name] = value
            self.addCleanup(os.environ.pop, name, None)

    def starts(self, one):
        path = self.tools.folder(one) / "starts"
        return path.read_text().splitlines() if path.exists() else []

    def test_runs_what_is_missing_and_nothing_twice(self):
        found = self.driver().run(self.cases[:2])
        self.assertEqual((found.done, found.failed, found.left, found.exit_code), (2, [], 0, 0))
        found = self.driver().run(self.cases)
        self.assertEqual(found.done, 2)
        self.assertEqual([len(self.starts(one)) for one in self.cases], [1] * 4)
        self.assertEqual(self.lines[3], "4 runs, 2 done, 2 to do")
        self.assertIn("0 to start, 0 min left", self.lines[-1])

    def test_each_on_a_core_of_its_own_with_one_thread(self):
        cores = sorted(os.sched_getaffinity(0))
        self.set(SECONDS_A_RUN="0.3")
        self.driver(jobs=2).run(self.cases[:2])
        found = {self.starts(one)[0] for one in self.cases[:2]}
        # A core is given right after the start, which the program may be ahead of: then it sees all.
        wanted = {f"[{core}] 1" for core in cores[:2]} | {f"{cores} 1"}
        self.assertLessEqual(found, wanted)

    def test_a_failure_is_said_and_others_go_on(self):
        self.set(FAILS="harmofl-seed0")
        found = self.driver().run(self.cases)
        self.assertEqual((found.done, found.left, found.exit_code), (3, 0, 1))
        self.assertEqual(
            found.failed,
            ["new-sites/strength0/harmofl-seed0: train: ended with 1: error: it is broken."],
        )

    def test_when_all_fail_it_stops(self):
        self.set(FAILS="seed0")
        found = self.driver().run(plan(EXPERIMENTS["new-sites"], [0]))
        self.assertEqual((len(found.failed), found.left, found.exit_code), (3, 47, 1))

    def test_a_run_that_leaves_nothing_has_failed(self):
        self.set(LEAVES_NOTHING="1")
        found = self.driver().run(self.cases[:1])
        self.assertEqual(found.exit_code, 1)
        self.assertIn("ended with 0", found.failed[0])

    def test_no_program(self):
        tools = Tools(
            "no/such/program", pathlib.Path("x.ini"), self.folder / "out", NoStore(), measured=False
        )
        found = Driver(tools, say=self.lines.append).run(self.cases[:1])
        self.assertIn("no/such/program: No such file or directory", found.failed[0])

    def test_the_limit_lets_what_runs_end(self):
        self.set(SECONDS_A_RUN="0.4")
        found = self.driver(limit_s=0.2).run(self.cases)
        self.assertEqual((found.done, found.left, found.exit_code), (1, 3, 0))

    def wait_for(self, path):
        while not path.exists():
            time.sleep(0.01)

    def test_an_interruption_saves_and_the_same_call_goes_on(self):
        self.set(WAITS="1")
        folder = self.tools.folder(self.cases[0])

        def interrupt():
            self.wait_for(folder / "waits")
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=interrupt).start()
        found = self.driver().run(self.cases[:2])
        self.assertEqual((found.done, found.failed, found.left, found.exit_code), (0, [], 1, 75))
        self.assertTrue((folder / "saved").exists())
        os.environ.pop("WAITS")
        found = self.driver().run(self.cases[:2])
        self.assertEqual((found.done, found.exit_code), (2, 0))
        self.assertEqual(len(self.starts(self.cases[0])), 2)
        lines = [json.loads(line) for line in (folder / "study-times.jsonl").read_text().splitlines()]
        self.assertEqual([(line["step"], line["exit_code"]) for line in lines], [("train", 75), ("train", 0)])
        self.assertTrue(all(0 < line["cpu_seconds"] < 5 for line in lines), lines)

    def test_a_run_that_others_end_has_failed(self):
        """Who asks a run alone to save wants it to go on later: nothing says that it is done, or dropped."""
        self.set(WAITS="1")
        folder = self.tools.folder(self.cases[0])

        def interrupt():
            self.wait_for(folder / "waits")
            for process in processes(self.folder / "harmofl"):
                os.kill(process, signal.SIGTERM)

        threading.Thread(target=interrupt).start()
        found = self.driver().run(self.cases[:1])
        self.assertEqual((found.done, found.exit_code), (0, 1))
        self.assertIn("ended with 75", found.failed[0])

    def test_it_holds_while_a_file_is_there(self):
        pause = self.folder / "pause"
        self.set(SECONDS_A_RUN="0.5")
        seen = []

        def hold():
            self.wait_for(self.tools.folder(self.cases[0]) / "starts")
            pause.touch()
            while not any("held" in line for line in self.lines):
                time.sleep(0.01)
            # A process is stopped when it is next looked at, which a busy machine may put off.
            for _ in range(500):
                seen[:] = processes(self.folder / "harmofl").values()
                if set(seen) <= {"T"}:
                    break
                time.sleep(0.01)
            pause.unlink()

        threading.Thread(target=hold).start()
        found = self.driver(pause=pause).run(self.cases[:2])
        self.assertEqual(found.done, 2)
        self.assertIn("going on", self.lines)
        self.assertEqual(set(seen), {"T"})

    def test_words(self):
        self.assertEqual(
            [duration(s) for s in (20, 61, 3600, 7290)], ["0 min", "1 min", "1 h 00 min", "2 h 02 min"]
        )
        log = self.folder / "log"
        self.assertEqual(last_line(log), "it said nothing")
        log.write_text("error: one\nmore\n\n")
        self.assertEqual(last_line(log), "error: one")
        log.write_text("more\n\n")
        self.assertEqual(last_line(log), "more")

    def test_steps(self):
        tools = Tools("harmofl", pathlib.Path("x.ini"), self.folder, NoStore())
        names = {
            one.method: [step.name for step in steps(one, tools)]
            for one in plan(EXPERIMENTS["new-sites"], [0])
        }
        self.assertEqual(names["harmofl"], ["train", "spectra", "flatness"])
        self.assertEqual(names["fedbn"], ["train", "spectra"], "its global model has no norms")
        rates = plan(EXPERIMENTS["rates"])[0]
        self.assertEqual([step.name for step in steps(rates, tools)], ["train"])


if __name__ == "__main__":
    unittest.main()
