#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The line of progress: on a terminal, also mpirun's, and nowhere else."""

import os
import pty
import re
import select
import signal
import subprocess
import time

import support
from support import HARMOFL, MPIEXEC, TINY, train

ERASE = "\r\x1b[K"
LINE = re.compile(r"\r\x1b\[Kround (\d+) \(\d+/\d+\), training [^\r\n]*")


def on_terminal(command, *, errors_only=False, env=None, columns=200, timeout=120):
    """Exit status of a command, and what it writes to a terminal; standard output goes there too unless
    `errors_only`."""
    main, terminal = pty.openpty()
    subprocess.run(["stty", "cols", str(columns)], stdin=terminal, check=True)
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if errors_only else terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm", **(env or {})},
        start_new_session=True,
    )
    os.close(terminal)
    shown, end = b"", time.monotonic() + timeout
    while time.monotonic() < end:
        if not select.select([main], [], [], 1.0)[0]:
            continue
        try:
            part = os.read(main, 65536)
        except OSError:  # the last program has closed the terminal
            break
        if not part:
            break
        shown += part
    else:
        os.killpg(process.pid, signal.SIGKILL)
    os.close(main)
    return process.wait(), shown.decode(errors="replace").replace("\r\n", "\n")


def on_pipe(command):
    """Exit status of a command, and the bytes of its standard error as they are."""
    result = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=120,
        check=False,
    )
    return result.returncode, result.stderr.decode(errors="replace")


class ProgressLine(support.ProgramTest):
    def command(self, *arguments, name="run"):
        return (
            HARMOFL, "train", "--data.shards", support.federation(), "--run.output", self.folder / name,
            *TINY, "--run.rounds", 2, *arguments,
        )  # fmt: skip

    def assert_drawn(self, code, shown):
        """Each line is whole, in its place, and makes way for those that stay."""
        self.assertEqual(code, 0, shown)
        rounds = [int(number) for number in LINE.findall(shown)]
        self.assertGreaterEqual(len(rounds), 2, shown)
        self.assertEqual(sorted(set(rounds)), [0, 1], shown)
        # Without the line: what a log file holds. Nothing is left of it anywhere.
        rest = LINE.sub("", shown)
        self.assertEqual(rest.count("\r"), rest.count(ERASE), repr(shown))
        for line in rest.replace(ERASE, "").splitlines():
            self.assertNotIn("training site", line, repr(shown))
        self.assertRegex(rest, r"\r\x1b\[Kround 0 \(1/2\)  train loss")

    def test_on_a_terminal(self):
        self.assert_drawn(*on_terminal(self.command()))

    def test_under_mpirun_on_a_terminal(self):
        for ranks in (1, 2):
            shown = on_terminal((MPIEXEC, "-n", ranks, *self.command(name=f"run{ranks}")))
            self.assert_drawn(*shown)

    def test_under_mpirun_when_only_its_errors_go_to_the_terminal(self):
        self.assert_drawn(*on_terminal((MPIEXEC, "-n", 2, *self.command()), errors_only=True))

    def test_below_a_shell_below_mpirun(self):
        shell = ("sh", "-c", '"$@"; exit $?', "sh")
        self.assert_drawn(*on_terminal((MPIEXEC, "-n", 2, *shell, *self.command())))

    def test_lines_of_another_rank_take_its_place(self):
        self.succeeds(train(support.federation(), self.folder / "whole", *TINY, "--run.rounds", 1))
        # Rank 1 warns of what it alone sees: threads, more than cores.
        command = (MPIEXEC, "-n", 2, *self.command("--device.threads", 64))
        code, shown = on_terminal(command)
        self.assertEqual(code, 0, shown)
        for line in shown.replace("\n", "\r").split("\r"):
            self.assertFalse("training site" in line and "warning" in line, repr(shown))

    def test_not_in_files_and_pipes(self):
        for launcher in ((), (MPIEXEC, "-n", 2)):
            code, text = on_pipe((*launcher, *self.command(name=f"run{len(launcher)}")))
            self.assertEqual(code, 0, text)
            self.assertNotIn("\r", text)
            self.assertNotIn("\x1b", text)
            self.assertIn("round 1 (2/2)", text)

    def test_not_where_a_program_below_mpirun_reads_it(self):
        piped = ("sh", "-c", '"$@" 2>&1 | cat >&2', "sh")
        code, shown = on_terminal((MPIEXEC, "-n", 2, *piped, *self.command()))
        self.assertEqual(code, 0, shown)
        self.assertNotIn("\x1b[K", shown)

    def test_not_where_mpirun_changes_the_lines(self):
        options = (("--tag-output",), ("--timestamp-output",), ("--output-filename", self.folder / "out"))
        for number, option in enumerate(options):
            command = (MPIEXEC, *option, "-n", 2, *self.command(name=f"run{number}"))
            code, shown = on_terminal(command)
            self.assertEqual(code, 0, shown)
            self.assertNotIn("\x1b[K", shown, option)
            self.assertIn("round 1 (2/2)", shown)
        code, shown = on_terminal(
            (MPIEXEC, "-n", 2, *self.command(name="by_variable")), env={"OMPI_MCA_orte_tag_output": "1"}
        )
        self.assertEqual(code, 0, shown)
        self.assertNotIn("\x1b[K", shown)

    def test_not_on_a_terminal_that_cannot(self):
        code, shown = on_terminal(self.command(), env={"TERM": "dumb"})
        self.assertEqual(code, 0, shown)
        self.assertNotIn("\r", shown)

    def test_by_the_key(self):
        code, shown = on_terminal(self.command("--run.progress", "off"))
        self.assertEqual(code, 0, shown)
        self.assertNotIn("\x1b[K", shown)
        self.assert_drawn(*on_pipe((MPIEXEC, "-n", 2, *self.command("--run.progress", "on", name="on"))))

    def test_keeps_to_the_width_of_the_terminal(self):
        for launcher in ((), (MPIEXEC, "-n", 2)):
            code, shown = on_terminal((*launcher, *self.command(name=f"run{len(launcher)}")), columns=24)
            self.assertEqual(code, 0, shown)
            lines = re.findall(r"\r\x1b\[K(round \d \(\d/2\), tr[^\r\n]*)", shown)
            self.assertEqual({len(line) for line in lines}, {23}, repr(shown))


if __name__ == "__main__":
    support.main()
