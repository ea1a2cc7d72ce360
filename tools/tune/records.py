# SPDX-License-Identifier: Apache-2.0
"""What a trial's run has used and reached, by its records: rounds.jsonl and metrics.jsonl.

All is told of the first rounds of a run, so that what a rung decided is decided again when the run has gone
on since.
"""

import functools
import json
import math
import pathlib
import statistics
import warnings
from dataclasses import dataclass
from typing import Any

from harmofl_runs import RunError
from harmofl_runs.files import read_json, read_json_lines
from tune.asking import Measure
from tune.errors import TuneError


@dataclass(frozen=True)
class Used:
    """What rounds of a run have taken."""

    rounds: int = 0
    client_steps: int = 0
    seconds: float = 0.0
    joules: float | None = None
    """None where a round has none on record."""


def lines_of(path: pathlib.Path) -> list[dict[str, Any]]:
    """The whole lines of a record; none where there is no file yet."""
    if not path.exists():
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a last line that is not whole: the run goes on or was killed
            return read_json_lines(path)
    except RunError as error:
        raise TuneError(str(error)) from None


def joules_of(line: dict[str, Any]) -> float | None:
    """The joules of a round, of all kinds, phases and ranks together; None where one is not on record."""

    def total(value: Any) -> float | None:
        if isinstance(value, (dict, list)):
            parts = [total(part) for part in (value.values() if isinstance(value, dict) else value)]
            return None if not parts or None in parts else sum(parts)
        return float(value) if isinstance(value, (int, float)) else None

    return total(line.get("joules"))


def stamp(path: pathlib.Path) -> tuple[pathlib.Path, int, int]:
    """The file as it is now: what was read of it holds for the same stamp."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return path, 0, 0
    return path, found.st_size, found.st_mtime_ns


@functools.cache
def rounds_of(path: pathlib.Path, _size: int, _time: int) -> list[tuple[int, int, float, float | None]]:
    """Round, client steps, seconds and joules, of the lines of rounds.jsonl."""
    lines = lines_of(path)
    if any("client_steps" not in line for line in lines):
        raise TuneError(
            f"{path}: a line has no client_steps: an older harmofl wrote it. Take another --output, and one "
            "harmofl for all trials."
        )
    return [(line["round"], line["client_steps"], line["seconds"], joules_of(line)) for line in lines]


def used(folder: pathlib.Path, rounds: float = math.inf) -> Used:
    """What the first `rounds` rounds of the run in a folder have taken."""
    found = [one for one in rounds_of(*stamp(folder / "rounds.jsonl")) if one[0] < rounds]
    joules = [one[3] for one in found]
    return Used(
        len(found),
        sum(one[1] for one in found),
        sum(one[2] for one in found),
        None if not joules or None in joules else sum(joules),
    )


def mean_over_sites(values: list[float], measure: Measure) -> float:
    """As harmofl takes it: of sites without a value where the measure may have none, else of all."""
    if measure.may_be_undefined:
        values = [value for value in values if not math.isnan(value)]
    return statistics.fmean(values) if values else math.nan


@functools.cache
def means_of(path: pathlib.Path, _size: int, _time: int, measure: Measure) -> list[tuple[int, float]]:
    """Round and mean validation over the sites that train, of each round in metrics.jsonl that was
    validated. Sites held out do not count, nor does any test image."""
    by_round: dict[int, list[float]] = {}
    for line in lines_of(path):
        if line["split"] == "val" and not line.get("held_out"):
            value = line.get(measure.name)
            by_round.setdefault(line["round"], []).append(math.nan if value is None else value)
    return [(number, mean_over_sites(values, measure)) for number, values in sorted(by_round.items())]


def was_validated(folder: pathlib.Path, measure: Measure) -> bool:
    """Whether a round of the run was."""
    return bool(means_of(*stamp(folder / "metrics.jsonl"), measure))


def validation(folder: pathlib.Path, rounds: int, measure: Measure) -> tuple[float, int] | None:
    """The best mean validation in the first `rounds` rounds, and the first round that has it. None where no
    round has a number."""
    best = None
    for number, mean in means_of(*stamp(folder / "metrics.jsonl"), measure):
        if number >= rounds or math.isnan(mean):
            continue
        if best is None or (mean < best[0] if measure.lower_is_better else mean > best[0]):
            best = (mean, number)
    return best


def has_reached(folder: pathlib.Path, rounds: int) -> bool:
    """Whether the run in a folder has done so many rounds and ended with them, has gone on since, or ran
    out of patience before."""
    path = folder / "summary.json"
    if path.exists():
        try:
            summary = read_json(path, "")
        except RunError as error:
            raise TuneError(str(error)) from None
        if summary["rounds"] >= rounds or summary.get("stopped_by") == "run.patience":
            return True
    return used(folder).rounds > rounds


def write_text(path: pathlib.Path, text: str) -> None:
    """Replaces a file: the old one or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def write_json(path: pathlib.Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1) + "\n")
