# SPDX-License-Identifier: Apache-2.0
"""Folders of studies whose numbers are known, for the tests of tools/scaling.py."""

import json
import pathlib
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tools"))

from scaling.study import Study, run_folder  # noqa: E402  (needs the path above)

PLATFORMS = SOURCE / "tools/scaling/platforms"
AGGREGATE, REST = 0.25, 0.5  # seconds of every round below


class FolderTest(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="harmofl-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)


def write_lines(path, objects):
    path.write_text("".join(json.dumps(one) + "\n" for one in objects), encoding="utf-8")


def phases(**seconds):
    """Phases of a round by name = (mean, max)."""
    return {name: {"mean": mean, "max": longest} for name, (mean, longest) in seconds.items()}


def write_run(folder, loads, client_seconds, rounds=5, aggregate=AGGREGATE, scale=None):
    """A run in which ranks train for `loads` seconds in every round, of which the first two and the
    last train so long that it shows when they are counted. `scale`: of training in the others."""
    folder.mkdir(parents=True)
    mean, longest = sum(loads) / len(loads), max(loads)
    records, metrics = [], []
    for index in range(rounds):
        counted = 2 <= index < rounds - 1
        factor = (scale or 1.0) if counted else 100.0
        records.append(
            {
                "round": index,
                "seconds": factor * longest + aggregate + REST,
                "clients": len(client_seconds),
                "counted": len(client_seconds),
                "lost": {},
                "simulated_seconds": 0.0,
                "sent_bytes": 4000,
                "moved_clients": 0,
                "phases": phases(
                    train=(factor * mean, factor * longest),
                    input=(0.0, 0.0),
                    wait=(factor * (longest - mean), factor * (longest - min(loads))),
                    aggregate=(aggregate, aggregate),
                ),
                "peak_memory_bytes": {"mean": 1e6, "max": 2e6},
            }
        )
        metrics += [
            {"round": index, "site": name, "split": "train", "loss": 1.0, "seconds": factor * seconds}
            for name, seconds in client_seconds.items()
        ]
    write_lines(folder / "rounds.jsonl", records)
    write_lines(folder / "metrics.jsonl", metrics)
    (folder / "config.ini").write_text("[comm]\nreduce = fast\n", encoding="utf-8")
    (folder / "summary.json").write_text("{}", encoding="utf-8")


def write_study(folder, kind="strong", cores=8):
    """Three clients of 2, 1 and 1 seconds: on one rank 4 s of training, on two 2 s each, on four
    2 s, 1 s, 1 s and nothing. Two runs each; the second on two ranks trains twice as long."""
    folder = pathlib.Path(folder)
    clients = {"a": 2.0, "b": 1.0, "c": 1.0}
    loads = {1: [4.0], 2: [2.0, 2.0], 4: [2.0, 1.0, 1.0, 0.0]}
    for ranks, seconds in loads.items():
        write_run(run_folder(folder, ranks, 1), seconds, clients)
        write_run(run_folder(folder, ranks, 2), seconds, clients, scale=2.0 if ranks == 2 else 1.0)
    study = Study(
        kind=kind,
        ranks=[1, 2, 4],
        repeat=2,
        warm_up=2,
        config="x.ini",
        machine={"processor": "a processor", "cores": cores},
    )
    study.write(folder)
    return study
