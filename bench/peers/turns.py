# SPDX-License-Identifier: Apache-2.0
"""What all programs of this folder share: words of the command line, and taking turns.

A driver asks for work on standard input, a line at a time: "N" is answered by the seconds that N
units took and a loss to compare by, "save FILE" by "saved" when the weights are in the file.
"""

import os
import sys
import time


def setting():
    """The words name=value of the command line, as a dict."""
    return dict(word.split("=", 1) for word in sys.argv[1:])


def single_threaded(threads=1):
    """Has torch compute with so many threads; to be called before anything is computed."""
    import torch

    torch.set_num_threads(int(threads))
    return torch


class Turns:
    """The worker's side of taking turns, for loops that a framework owns.

    The loop calls `wait` before its first unit and `done(loss)` after every unit; `wait` comes back
    when the driver wants more, and says False when it wants no more.
    """

    def __init__(self, save, synchronize=lambda command: command, mean=False):
        """`save(path)` writes the weights; `synchronize(command)` gives all processes rank 0's; `mean`
        answers with the mean of a turn's losses instead of the last one."""
        self._save, self._synchronize, self._mean = save, synchronize, mean
        self._left, self._count, self._start, self._losses = 0, 0, 0.0, 0.0
        self._is_first = int(os.environ.get("RANK", 0)) == 0
        self._output = sys.stdout
        sys.stdout = sys.stderr  # whatever frameworks print

    def ready(self):
        self._say("ready")

    def wait(self):
        while self._left == 0:
            line = sys.stdin.readline() if self._is_first else ""
            words = self._synchronize(line).split()
            if not words:
                return False
            if words[0] == "save":
                if self._is_first:
                    self._save(words[1])
                self._say("saved")
                continue
            self._left = self._count = int(words[0])
            self._losses = 0.0
            self._start = time.perf_counter()
        return True

    def done(self, loss=0.0):
        self._left -= 1
        if self._mean:
            self._losses = self._losses + loss  # a tensor on a GPU stays there until the turn ends
        if self._left == 0:
            loss = float(
                self._losses / self._count if self._mean else loss
            )  # of a tensor on a GPU: waits until it is there
            self._say(f"{time.perf_counter() - self._start:.9f} {loss:.9g}")

    def _say(self, text):
        if self._is_first:
            print(text, file=self._output, flush=True)


def broadcast(command):
    """Rank 0's command, on all processes of torch.distributed."""
    import torch.distributed

    if not torch.distributed.is_initialized():
        return command
    box = [command]
    torch.distributed.broadcast_object_list(box, src=0)
    return box[0]
