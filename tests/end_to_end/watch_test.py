#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""harmofl watch: runs that go on, that ended, that were killed."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import unittest

import support
from progress_test import on_terminal
from support import HARMOFL, TINY, harmofl, train


def watch(*arguments, **options):
    return harmofl("watch", *arguments, **options)


def wait_for(condition, seconds=60):
    """Whether it comes true within so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


class WatchedRun(support.ProgramTest):
    def setUp(self):
        super().setUp()
        self.run_folder = self.folder / "run"

    def begin(self, rounds, *arguments, ranks=()):
        """A run in the background, whose first round has ended."""
        command = (
            *ranks, HARMOFL, "train", "--data.shards", support.federation(), "--run.output", self.run_folder,
            *TINY, "--run.rounds", rounds, *arguments,
        )  # fmt: skip
        process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        lines = self.run_folder / "rounds.jsonl"
        self.assertTrue(wait_for(lambda: lines.exists() and lines.read_bytes().count(b"\n") > 0))
        return process

    def shown(self, *arguments, env=None):
        result = self.succeeds(watch(self.run_folder, "--once", *arguments, env=env))
        self.assertEqual(result.stderr, "")
        self.assertNotIn("\x1b", result.stdout)
        return result.stdout

    def test_a_run_that_goes_on_is_stopped_goes_on_again_and_ends(self):
        process = self.begin(4000, "--run.save_every", 1)
        text = self.shown()
        self.assertRegex(text, r"^run  running  harmofl")
        self.assertRegex(text, r"\d+ of 4000 rounds .* a round .* left\n")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(60), 75)
        self.assertRegex(
            self.shown(), r"^run  stopped .*\n(.*\n)no job writes here; .* Go on with --resume\.\n"
        )
        done = len(support.json_lines(self.run_folder / "rounds.jsonl"))
        arguments = ("--run.rounds", done + 1, "--run.resume")
        self.succeeds(train(support.federation(), self.run_folder, *TINY, "--run.save_every", 1, *arguments))
        text = self.shown()
        self.assertRegex(text, r"^run  finished")
        self.assertIn(f"{done + 1} of {done + 1} rounds", text)
        self.assertNotIn(" left", text)

    def test_a_run_whose_process_was_killed(self):
        process = self.begin(4000)
        process.kill()
        process.wait()
        text = self.shown()
        self.assertRegex(text, r"^run  killed")
        self.assertIn(f"its process is gone: process {process.pid} on ", text)

    def test_a_run_that_stands_still(self):
        process = self.begin(4000)
        process.send_signal(signal.SIGSTOP)
        old = time.time() - 600
        os.utime(self.run_folder / "rounds.jsonl", (old, old))
        os.utime(self.run_folder / "run.json", (old, old))
        text = self.shown()
        self.assertRegex(text, r"^run  silent")
        self.assertRegex(text, r"no news for 1\d min \d\d s, rounds take [^,]+: process")
        process.send_signal(signal.SIGCONT)

    def test_numbers_are_those_of_the_files(self):
        arguments = (
            *support.LEARNS,
            "--run.rounds",
            3,
            "--fleet.drop_after",
            0.5,
            "--data.hold_out",
            "site_1",
        )
        self.succeeds(train(support.federation(), self.run_folder, *arguments, ranks=2))
        text = self.shown("--width", 120)
        values = {
            (line["round"], line["site"], line["split"]): line.get("dice")
            for line in support.metrics(self.run_folder)
        }
        summary = support.summary(self.run_folder)
        best = summary["best_round"]
        mean = summary["val"]["mean"]["dice"]
        self.assertIn(f"best round {best}: val dice {mean:.4f}, last ", text)
        for site, held_out in (("site_0", ""), ("site_1", " (held out)"), ("site_2", "")):
            expected = [values[2, site, "val"], values[best, site, "val"], values[2, site, "test"],
                        values[best, site, "test"]]  # fmt: skip
            numbers = " +".join(re.escape(f"{value:.4f}") for value in expected)
            self.assertRegex(text, rf"\n{site}{re.escape(held_out)} +{numbers}  ")
        line = support.json_lines(self.run_folder / "rounds.jsonl")[-1]
        all_s = sum(phase["mean"] for phase in line["phases"].values())
        share = 100 * line["phases"]["train"]["mean"] / all_s
        self.assertRegex(text, rf"\n  train +{share:.0f} % ")
        waiting = line["waiting"]
        self.assertEqual({waiting["rank"], waiting["awaited_rank"]}, {0, 1})
        self.assertEqual(waiting["seconds"], line["phases"]["wait"]["max"])
        self.assertRegex(text, rf"all wait for rank {waiting['awaited_rank']} \(.*: site_")
        lost = sum(
            entry["lost"].get("dropped_after", 0)
            for entry in support.json_lines(self.run_folder / "rounds.jsonl")
        )
        if lost:
            self.assertIn(f"lost updates: {lost} dropped_after", text)

    def test_unicode_only_where_the_locale_has_it(self):
        shutil.copytree(support.trained(), self.run_folder)
        self.assertIn("█", self.shown(env={"LC_ALL": "C.UTF-8"}))
        self.shown(env={"LC_ALL": "C"}).encode("ascii")

    def test_half_a_line_at_the_end_is_waited_for_and_damage_is_counted(self):
        shutil.copytree(support.trained(), self.run_folder)
        whole = self.shown()
        with (self.run_folder / "rounds.jsonl").open("a") as file:
            file.write('{"round":2,"seconds":')
        self.assertIn("2 of 2 rounds", self.shown())
        with (self.run_folder / "rounds.jsonl").open("a") as file:
            file.write("x}\n")
        text = self.shown()
        self.assertIn("1 line(s) could not be read", text)
        self.assertNotIn("could not be read", whole)

    def test_several_runs_have_a_line_each(self):
        other = self.folder / "other"
        for folder in (self.run_folder, other):
            shutil.copytree(support.trained(), folder)
        result = self.succeeds(watch(self.run_folder, other, "--once"))
        lines = result.stdout.splitlines()
        self.assertEqual(len(lines), 3)
        for line in lines[1:]:
            self.assertRegex(line, r"finished +2/2 .* fedavg  dice")

    def test_on_a_terminal_it_is_redrawn_until_the_run_has_ended(self):
        process = self.begin(12, "--fleet.sample_time", 0)
        command = (HARMOFL, "watch", self.run_folder, "--every", 0.1)
        code, shown = on_terminal(command, columns=60, env={"NO_COLOR": ""})
        self.assertEqual(code, 0, shown)
        self.assertEqual(process.wait(60), 0)
        views = re.split(r"\r\x1b\[\d+A", shown)
        self.assertIn("finished", views[-1])
        self.assertIn("12 of 12 rounds", views[-1])
        self.assertIn("\x1b[32m", shown)
        for view in views:
            self.assertTrue(view.endswith("\x1b[J"), repr(view))
            for line in re.sub(r"\x1b\[[0-9;]*[mKJ]", "", view).splitlines():
                self.assertLessEqual(len(line), 60, repr(line))
        code, shown = on_terminal(command, env={"NO_COLOR": "1"})
        self.assertNotIn("\x1b[32m", shown)

    def test_under_mpirun_one_rank_speaks(self):
        shutil.copytree(support.trained(), self.run_folder)
        result = self.succeeds(watch(self.run_folder, "--once", ranks=2))
        self.assertEqual(result.stdout.count("rounds  "), 1)

    def test_does_not_touch_the_folder(self):
        shutil.copytree(support.trained(), self.run_folder)
        before = {path: path.stat().st_mtime_ns for path in [self.run_folder, *self.run_folder.iterdir()]}
        self.shown()
        after = {path: path.stat().st_mtime_ns for path in [self.run_folder, *self.run_folder.iterdir()]}
        self.assertEqual(before, after)


class WatchedFolder(support.ProgramTest):
    def test_what_is_not_a_run(self):
        self.fails(watch(self.folder), 1, self.folder, "is not the folder of a run")
        self.fails(watch(self.folder / "none"), 1, self.folder / "none", "is not a folder")
        self.fails(watch(self.folder, ranks=2), 1, self.folder, "is not the folder of a run")

    def test_what_is_not_an_option(self):
        self.fails(watch(), 2, "run")
        self.fails(watch(self.folder, "--evry", 1), 2, "every")
        folder = shutil.copytree(support.trained(), self.folder / "run")
        self.fails(watch(folder, "--every", 0), 2, "--every 0")
        self.fails(watch(folder, "--width", "wide"), 2, "--width wide")

    def test_a_log_that_is_not_a_file(self):
        folder = pathlib.Path(shutil.copytree(support.trained(), self.folder / "run"))
        (folder / "rounds.jsonl").unlink()
        (folder / "rounds.jsonl").mkdir()
        self.fails(watch(folder, "--once"), 1, folder / "rounds.jsonl", "is not a file")

    @unittest.skipIf(not os.path.exists("/dev/full"), "no /dev/full")
    def test_a_full_disk(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run(
                [HARMOFL, "watch", str(support.trained()), "--once"], stdout=full, stderr=subprocess.PIPE,
                text=True, check=False,
            )  # fmt: skip
        self.assertEqual(result.returncode, 1)
        self.assertIn("error: standard output cannot be written", result.stderr)


if __name__ == "__main__":
    support.main()
