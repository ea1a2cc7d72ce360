# SPDX-License-Identifier: Apache-2.0
"""What run.trace and run.energy cost: two runs of one configuration, one with and one without, a round each
in turn while the other is stopped.

Timed from one line of rounds.jsonl to the next, so that the writing of the trace is within it.
"""

import signal
import subprocess
import sys
import time

from .figures import figure
from .overhead import CASES, QUICK, arguments, shards_of
from .programs import chosen, pinned, train

PAIRS = 3  # of processes: how the memory of one happens to lie does not decide


class Stepped:
    """A run that goes on for one round at a time."""

    def __init__(self, command, output):
        self.words = [str(word) for word in command]
        self.path = output / "rounds.jsonl"
        self.lines = 0
        self.process = subprocess.Popen(self.words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def round(self):
        """Seconds until the next line of rounds.jsonl; None when there is none."""
        begin = time.perf_counter()
        self.process.send_signal(signal.SIGCONT)
        while not self.path.exists() or self.path.read_bytes().count(b"\n") <= self.lines:
            if self.process.poll() is not None:
                if self.process.returncode != 0:
                    sys.exit(f"failed: {' '.join(self.words)}\n{self.process.stderr.read().decode()}")
                return None
            time.sleep(0.0005)
        self.process.send_signal(signal.SIGSTOP)
        self.lines = self.path.read_bytes().count(b"\n")
        return time.perf_counter() - begin


def pair(case, shards, folder, key):
    """Seconds of the rounds with `key` and of those without, in turn; without the first of each."""
    seconds = ([], [])
    sides = []
    for value in ("true", "false"):
        output = folder / f"{shards.name}-{key}-{value}-{time.monotonic_ns()}"
        command = pinned(1, *train(shards, output, *arguments(case), f"--{key}", value))
        sides.append(Stepped(command, output))
    with sides[0] as first, sides[1] as second:
        for _ in range(case.rounds - 1):
            for side, found in zip((first, second), seconds):
                found.append(side.round())
    return [found[1:] for found in seconds]


def trace(quick, folder):
    folder = folder / "trace"  # the shards of family overhead have the same names
    folder.mkdir()
    for case in QUICK if quick else chosen(CASES):
        shards = shards_of(case, folder)
        for key in ("run.trace", "run.energy"):
            with_key, without = [], []
            for _ in range(1 if quick else PAIRS):
                more, fewer = pair(case, shards, folder, key)
                with_key += more
                without += fewer
            yield figure(
                f"{key} {case.name}",
                with_key,
                without,
                None if quick else "<= 1.01",
                "s",
                f"seconds of a round with {key} = true over those of one without, in turn",
            )
