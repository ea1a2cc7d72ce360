# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: running the programs as a user does, reading what they leave.

ctest sets HARMOFL and HARMOFL_PREPARE (the programs), MPIEXEC (mpirun) and Open MPI's variables.
By hand, from the root of the checkout, after `source tools/common.sh && mpi_env 4`:
    HARMOFL=build/release/harmofl HARMOFL_PREPARE=build/release/harmofl-prepare \\
        .deps/venv/bin/python tests/end_to_end/commands_test.py [Class[.test_name]]
"""

import atexit
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from dataclasses import dataclass, field

try:
    import h5py
    import numpy
except ImportError:
    h5py = numpy = None

SKIPPED = 77  # the exit status that ctest takes for a skip
SOURCE = pathlib.Path(__file__).resolve().parents[2]
HARMOFL = os.path.abspath(os.environ.get("HARMOFL", "build/release/harmofl"))
PREPARE = os.path.abspath(os.environ.get("HARMOFL_PREPARE", "build/release/harmofl-prepare"))
MPIEXEC = os.environ.get("MPIEXEC", "mpirun")

# A model and data so small that a round takes a fraction of a second.
TINY = ("--model.width", 2, "--data.batch_size", 4, "--comm.reduce", "exact")
# Larger steps and more of them: two rounds find the nuclei, so that Dice is not zero.
LEARNS = (
    "--algorithm.name",
    "fedavg",
    "--model.width",
    4,
    "--data.batch_size",
    2,
    "--train.lr",
    0.02,
    "--train.local_epochs",
    3,
    "--comm.reduce",
    "exact",
)


@dataclass
class Result:
    """How a program ended and what it said."""

    code: int
    stdout: str
    stderr: str
    ended: float  # time.monotonic()
    seen: dict = field(default_factory=dict)  # start of a line of stderr -> when it first came
    peak_mib: float = 0.0  # memory of its largest process, itself or one that it started

    def __str__(self):
        return f"exit status {self.code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"

    def errors(self):
        """The program's own messages, without those of mpirun."""
        return [line for line in self.stderr.splitlines() if line.startswith("error")]


def end(process):
    """Ends a program that hangs: mpirun needs a moment to take its ranks with it."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()


def wait_for_end(process):
    """Its exit status and the memory of its largest process, in MiB."""
    try:
        _, status, used = os.wait4(process.pid, 0)
    except ChildProcessError:  # somebody who sent it a signal found that it had ended
        return process.wait(), 0.0
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, used.ru_maxrss / 1024


def run(command, *, when=None, then=None, env=None, timeout=150, preexec=None):
    """Runs `command`; calls `then(process)` once a line of its stderr starts with `when`."""
    with tempfile.TemporaryFile("w+", errors="replace") as out:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, **(env or {})},
            preexec_fn=preexec,
        )
        started = time.monotonic()
        overdue = threading.Timer(timeout, end, [process])
        overdue.start()
        lines, seen = [], {}
        for line in process.stderr:
            lines.append(line)
            if when and when not in seen and line.startswith(when):
                seen[when] = time.monotonic()
                if then:
                    then(process)
        code, peak_mib = wait_for_end(process)
        overdue.cancel()
        late = time.monotonic() - started > timeout  # the timer may still wait for the program
        process.stderr.close()
        out.seek(0)
        result = Result(code, out.read(), "".join(lines), time.monotonic(), seen, peak_mib)
    if late:
        raise AssertionError(f"ended after {timeout} s: {command}\n{result}")
    return result


def harmofl(*arguments, ranks=None, **options):
    """Runs harmofl, under mpirun when `ranks` is given."""
    launcher = () if ranks is None else (MPIEXEC, "-n", ranks)
    return run((*launcher, HARMOFL, *arguments), **options)


def train(shards, output, *arguments, **options):
    return harmofl("train", "--data.shards", shards, "--run.output", output, *arguments, **options)


def synthesize(folder, sites=3, task="segmentation"):
    result = harmofl(
        "synthesize",
        "--output",
        folder,
        "--sites",
        sites,
        "--train",
        8,
        "--val",
        4,
        "--test",
        4,
        "--size",
        "32x32",
        "--task",
        task,
    )
    assert result.code == 0, result
    return folder


@functools.cache
def shared_folder():
    """A folder for what several tests read; removed when Python ends."""
    folder = tempfile.mkdtemp(prefix="harmofl-test-")
    atexit.register(shutil.rmtree, folder)
    return pathlib.Path(folder)


@functools.cache
def federation(task="segmentation"):
    """Three synthetic sites, made once; not to be changed."""
    return synthesize(shared_folder() / task, task=task)


@functools.cache
def trained():
    """The folder of a run of two rounds that finds the nuclei, made once; not to be changed."""
    folder = shared_folder() / "trained"
    result = train(federation(), folder, *LEARNS, "--run.rounds", 2)
    assert result.code == 0, result
    return folder


def h5(path, mode="r"):
    if h5py is None:
        raise unittest.SkipTest("h5py and numpy are not installed (tools/install-deps.sh does)")
    return h5py.File(path, mode)


def mend_checksum(shard, name):
    """Stores the checksum that the program finds of a dataset, so that it looks at the values."""
    error = harmofl("inspect", shard).stderr
    assert name in error, error
    with h5(shard, "r+") as file:
        file[name].attrs["xxh3"] = re.search(r", found ([0-9a-f]{32})", error)[1]


def tensors(path, group="model"):
    """Every dataset below `group` of a checkpoint, by name."""
    found = {}
    with h5(path) as file:
        file[group].visititems(
            lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
        )
    return found


def json_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def metrics(folder):
    return json_lines(folder / "metrics.jsonl")


def without_seconds(entries):
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in entries]


def summary(folder):
    found = json.loads((folder / "summary.json").read_text())
    found.pop("seconds")
    return found


class ProgramTest(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="harmofl-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def succeeds(self, result):
        self.assertEqual(result.code, 0, result)
        return result

    def fails(self, result, code, *texts):
        """It ended with `code` and one message, which holds `texts`."""
        self.assertEqual(result.code, code, result)
        self.assertEqual(len(result.errors()), 1, result)
        for text in texts:
            self.assertIn(str(text), result.errors()[0])
        return result

    def assert_same_tensors(self, left, right, group="model"):
        left, right = tensors(left, group), tensors(right, group)
        self.assertEqual(list(left), list(right))
        self.assertTrue(left)
        for name, values in left.items():
            self.assertEqual(values.tobytes(), right[name].tobytes(), f"{group}/{name} differs")

    def assert_same_run(self, left, right):
        """Two run folders hold the same run: the bits of every tensor, every metric."""
        entries, expected = without_seconds(metrics(left)), without_seconds(metrics(right))
        self.assertEqual(len(entries), len(expected), "lines of metrics.jsonl")
        for entry, wanted in zip(entries, expected):
            self.assertEqual(entry, wanted)
        self.assertEqual(summary(left), summary(right))
        for group in ("model", "clients"):
            self.assert_same_tensors(left / "checkpoint.h5", right / "checkpoint.h5", group)
        self.assert_same_tensors(left / "best.h5", right / "best.h5")


def main():
    """Runs the tests of the calling file; SKIPPED when all that ran were skipped."""
    program = unittest.main(module="__main__", exit=False, verbosity=2)
    result = program.result
    if result.testsRun == 0:
        sys.exit("no test ran")
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIPPED if len(result.skipped) == result.testsRun else 0)
