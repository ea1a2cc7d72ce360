# SPDX-License-Identifier: Apache-2.0
"""What a run folder says, in MLflow's terms. Nothing here knows MLflow."""

import json
import math
import pathlib
import re
from typing import Any, NamedTuple

from harmofl_runs import Run, RunError

# Small, and in the form in which the run left them.
FILES = (
    "config.ini",
    "run.json",
    "summary.json",
    "metrics.jsonl",
    "rounds.jsonl",
    "partition.csv",
    "fleet.csv",
    "per_sample.csv",
    "personalized.csv",
)
MODELS = ("best.h5",)
LONGEST = 6000  # characters of a parameter in MLflow


class Value(NamedTuple):
    """A value of a metric."""

    key: str
    step: int
    value: float


def clean(name: str) -> str:
    """The name with '_' for what MLflow does not take in a key."""
    return re.sub(r"[^\w\-. /]", "_", name, flags=re.ASCII)


def params(run: Run) -> dict[str, str]:
    """The configuration, but for keys without a value, which MLflow does not take."""
    return {key: value[:LONGEST] for key, value in run.config.items() if value}


def round_values(run: Run) -> list[Value]:
    """Every number of rounds.jsonl and metrics.jsonl, by round.

    Keys are the tags that run.tensorboard gives them: val_dice/SITE, mean/val_dice, round/seconds,
    phase/train. Rounds that rounds.jsonl does not have yet are left out: they are not written whole."""
    if not run.has("rounds.jsonl"):
        return []
    rounds = run.rounds()
    values = []
    for row in rounds.to_dict("records"):
        step = int(row.pop("round"))
        for name, value in row.items():
            group, name = ("lost", name[5:]) if name.startswith("lost_") else ("round", name)
            values.append(Value(f"{group}/{clean(name)}", step, float(value)))
    phases = run.phases()
    values += [
        Value(f"{group}/{clean(row.phase)}", int(row.round), float(getattr(row, column)))
        for row in phases.itertuples()
        for group, column in (("phase", "mean"), ("phase_max", "max"))
    ]
    if run.has("metrics.jsonl"):
        values += _scores(run, set(rounds["round"]))
    values.sort(key=lambda value: value.step)
    _refuse_twice(run, values)
    return values


def _scores(run: Run, rounds: set[int]) -> list[Value]:
    """Values of sites, and their means over those that train."""
    scores = run.scores()
    scores = scores[scores["round"].isin(rounds)]
    values = [
        Value(clean(f"{row.split}_{row.measure}/{row.site}"), int(row.round), float(row.value))
        for row in scores.itertuples()
    ]
    trained = scores[~scores["held_out"]]
    for (step, split, measure), group in trained.groupby(["round", "split", "measure"])["value"]:
        values.append(Value(clean(f"mean/{split}_{measure}"), int(step), float(group.mean())))
    return values


def _refuse_twice(run: Run, values: list[Value]) -> None:
    seen = set()
    for value in values:
        if (value.key, value.step) in seen:
            found = f"two names become '{value.key}' in MLflow"
            raise RunError(run.folder / "metrics.jsonl", found, "Give the sites names of plain letters.")
        seen.add((value.key, value.step))


def summary_values(run: Run) -> list[Value]:
    """The best round and its means over sites, at the step after the last round."""
    step = int(run.summary["rounds"])
    values = [Value("best/round", step, float(run.summary["best_round"]))]
    for split in ("val", "test"):
        for measure, mean in run.summary[split].get("mean", {}).items():
            values.append(Value(clean(f"best/{split}_{measure}"), step, math.nan if mean is None else mean))
    return values


def tags(run: Run) -> dict[str, str]:
    """Where the run comes from, and how it stands."""
    found = {"mlflow.source.name": "harmofl train", "harmofl.method": run.method}
    if not run.has("run.json"):
        return found
    record: dict[str, Any] = run.provenance
    build = record["harmofl"]
    shards = {shard["site"]: shard["train"]["xxh3"] for shard in record["shards"]}
    found |= {
        "mlflow.runName": record["name"],
        "mlflow.source.git.commit": build["git_commit"],
        "harmofl.version": build["version"],
        "harmofl.started": record["started"],
        "harmofl.hosts": ", ".join(sorted({rank["host"] for rank in record["ranks"]})),
        "harmofl.ranks": str(len(record["ranks"])),
        "harmofl.train_checksums": json.dumps(shards, sort_keys=True)[:LONGEST],
    }
    if run.finished:
        found["harmofl.stopped_by"] = str(run.summary.get("stopped_by", ""))
    return found


def status(run: Run, values: list[Value]) -> str:
    """FINISHED, RUNNING, or KILLED for a run that no job is writing to. A summary of fewer rounds than
    there are is that of a run which goes on."""
    done = 1 + max((value.step for value in values), default=-1)
    if run.finished and run.summary["rounds"] == done:
        return "FINISHED"
    return "RUNNING" if run.has(".lock") else "KILLED"


def artifacts(run: Run, models: bool) -> list[pathlib.Path]:
    """The files to keep, of those that there are."""
    return [run.folder / name for name in FILES + (MODELS if models else ()) if run.has(name)]
