# SPDX-License-Identifier: Apache-2.0
"""Reads what a run of harmofl leaves: the time of its rounds by phase, and of its clients."""

import configparser
import json
import pathlib
from dataclasses import dataclass

from .study import StudyError

# In the order in which they are stacked in pictures. `rest` is what of a round no phase covers.
PHASES = ("train", "input", "wait", "aggregate", "place", "evaluate", "recompute", "save", "rest")
MEASURED = PHASES[:-1]


@dataclass
class Round:
    """One round of a run; times in seconds, phases as mean over ranks (they add up to `seconds`)
    and as the largest of the ranks."""

    index: int
    seconds: float
    clients: int
    mean: dict
    longest: dict
    sent_bytes: int  # by a client
    peak_memory_bytes: float  # of the rank with the most
    client_seconds: dict  # of the clients that trained

    @property
    def imbalance(self):
        """How much longer the busiest rank trained than the mean."""
        return self.longest["train"] - self.mean["train"]


@dataclass
class Run:
    """A run: its configuration, and those of its rounds that count."""

    folder: pathlib.Path
    config: dict
    rounds: list


def json_lines(path):
    """The objects of a file with one in each line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line]
    except FileNotFoundError:
        raise StudyError(
            f"{path}: there is no such file. Did the run end, and does this harmofl write it?"
        ) from None
    except (OSError, ValueError) as error:
        raise StudyError(f"{path}: cannot be read: {error}") from None


def read_config(path):
    """The keys of a configuration, as section.key."""
    parser = configparser.RawConfigParser()
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
    except (OSError, configparser.Error) as error:
        raise StudyError(f"{path}: cannot be read as a configuration: {error}") from None
    return {
        f"{section}.{key}": value for section in parser.sections() for key, value in parser.items(section)
    }


def read_round(line, client_seconds):
    """A line of rounds.jsonl; phases that a round did not have took no time. Saving follows a
    round, whose seconds do not hold it, and is a phase of the next line: there it is added."""
    phases = line.get("phases", {})
    mean = {name: phases.get(name, {}).get("mean", 0.0) for name in MEASURED}
    longest = {name: phases.get(name, {}).get("max", 0.0) for name in MEASURED}
    seconds = line["seconds"] + mean["save"]
    mean["rest"] = longest["rest"] = seconds - sum(mean.values())
    return Round(
        line["round"],
        seconds,
        line["clients"],
        mean,
        longest,
        line.get("sent_bytes", 0),
        line.get("peak_memory_bytes", {}).get("max", 0),
        client_seconds,
    )


def read_client_seconds(path):
    """The seconds of training of each client, as {round: {client: seconds}}."""
    found = {}
    for line in json_lines(path):
        if line["split"] == "train":
            found.setdefault(line["round"], {})[line.get("client", line["site"])] = line["seconds"]
    return found


def read_run(folder, warm_up):
    """Reads a run without its first `warm_up` rounds, in which memory is touched for the first
    time, and without the last, which evaluates whatever the configuration says."""
    folder = pathlib.Path(folder)
    lines = json_lines(folder / "rounds.jsonl")
    seconds = read_client_seconds(folder / "metrics.jsonl")
    try:
        rounds = [read_round(line, seconds.get(line["round"], {})) for line in lines][warm_up:-1]
    except (KeyError, TypeError, AttributeError) as error:
        raise StudyError(f"{folder / 'rounds.jsonl'}: a line lacks {error}.") from None
    if not rounds:
        raise StudyError(
            f"{folder}: holds {len(lines)} rounds, of which {warm_up} are warm-up and "
            "the last is not counted: none is left. Raise run.rounds."
        )
    return Run(folder, read_config(folder / "config.ini"), rounds)


def times_by_client(runs):
    """All seconds of each client in the counted rounds of runs: {client: [seconds]}."""
    times = {}
    for run in runs:
        for one in run.rounds:
            for client, seconds in one.client_seconds.items():
                times.setdefault(client, []).append(seconds)
    return times
