# SPDX-License-Identifier: Apache-2.0
"""Replays rounds and sums up what they took."""

import pathlib
import time
from statistics import median

from . import replay

ROUNDS = 40  # replayed at most
RANK_ROUNDS = 4096  # ranks times rounds that are replayed at most (but one round always)


def rounds_to_replay(ranks):
    return max(1, min(ROUNDS, RANK_ROUNDS // ranks))


def summary_of(rounds):
    """Medians over replayed rounds, in seconds."""
    return {
        "seconds": median(one.seconds for one in rounds),
        "train": median(one.mean["train"] for one in rounds),
        "imbalance": median(one.longest["train"] - one.mean["train"] for one in rounds),
        "communication": median(one.communication for one in rounds),
        "server": median(one.mean["server"] for one in rounds),
        "rest": median(one.longest["rest"] for one in rounds),
    }


class Projector:
    """Replays work on machines, in numbered folders below one."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.count = 0

    def __call__(self, machine, rounds, steady=None):
        """The summary of these rounds, and the seconds of the `steady` round if there is one."""
        self.count += 1
        start = time.monotonic()
        replayed = replay.replay(
            self.folder / f"{self.count:03}", machine, rounds + ([steady] if steady else [])
        )
        found = {
            **summary_of(replayed[: len(rounds)]),
            "rounds": len(rounds),
            "replay_seconds": round(time.monotonic() - start, 2),
        }
        if steady:
            found["steady_seconds"] = replayed[-1].seconds
        return found
