# SPDX-License-Identifier: Apache-2.0
"""The folder of a study: `study.json` says how it was run, each run has a folder of its own.

FOLDER/study.json
FOLDER/ranks-0002/run-1/       a run folder of harmofl, and beside it run-1.log
FOLDER/ranks-0002/shards/      weak scaling: links to the shards of so many ranks
"""

import json
import pathlib
import platform
from dataclasses import asdict, dataclass, field

DESCRIPTION = "study.json"


class StudyError(Exception):
    """A study that cannot be run or read; the text says why and what to do."""


@dataclass
class Study:
    """How a study is run; `warm_up` rounds at a run's start are not counted."""

    kind: str  # strong | weak
    ranks: list
    repeat: int
    warm_up: int
    config: str
    launcher: str = "mpirun"
    arguments: list = field(default_factory=list)  # further ones of harmofl train
    program: str = "build/release/harmofl"
    shards_a_rank: int = 0  # weak scaling
    machine: dict = field(default_factory=dict)

    def write(self, folder):
        text = json.dumps(asdict(self), indent=2) + "\n"
        pathlib.Path(folder, DESCRIPTION).write_text(text, encoding="utf-8")


def read_study(folder):
    """Reads FOLDER/study.json."""
    path = pathlib.Path(folder) / DESCRIPTION
    try:
        return Study(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise StudyError(
            f"{path}: there is no such file. Is {folder} the --output of `tools/scaling.py run`?"
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise StudyError(f"{path}: is not a description of a study: {error}") from None


def run_folder(folder, ranks, repetition):
    """Where repetition 1, 2, ... on so many ranks goes."""
    return pathlib.Path(folder) / f"ranks-{ranks:04}" / f"run-{repetition}"


def turns(ranks, repeat):
    """The order of the runs, (ranks, repetition) each: every number of ranks once before any comes
    again, so that a machine that gets slower or faster with time does so for all of them."""
    return [(count, repetition) for repetition in range(1, repeat + 1) for count in ranks]


def this_machine(cores):
    """What is known of the machine that runs the study."""
    model = platform.processor()
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    return {"processor": model, "cores": cores, "system": platform.platform()}
