# SPDX-License-Identifier: Apache-2.0
"""Frames of a run's records; one row an observation. Values that are not finite are NaN."""

import math
from typing import Any

import pandas

# What a line of metrics.jsonl has beside its measures.
FACTS = ("round", "site", "split", "held_out", "seconds")


def number(value: Any) -> float:
    """A number of JSON; null, which stands for what is not finite, is NaN."""
    return math.nan if value is None else float(value)


def scores(lines: list[dict[str, Any]]) -> pandas.DataFrame:
    """A row a round, site, split and measure, of the lines of metrics.jsonl. Rounds count from 0."""
    rows = [
        (line["round"], line["site"], line["split"], name, number(value), bool(line.get("held_out", False)))
        for line in lines
        for name, value in line.items()
        if name not in FACTS
    ]
    return pandas.DataFrame(rows, columns=["round", "site", "split", "measure", "value", "held_out"])


def rounds(lines: list[dict[str, Any]]) -> pandas.DataFrame:
    """A row a round, of the lines of rounds.jsonl; `lost` is the number lost, `lost_REASON` of each reason,
    `peak_memory_bytes` that of the largest rank."""
    rows = []
    for line in lines:
        row = {name: value for name, value in line.items() if not isinstance(value, dict)}
        lost = line.get("lost", {})
        row["lost"] = sum(lost.values())
        row |= {f"lost_{reason}": count for reason, count in lost.items()}
        row["peak_memory_bytes"] = number(line.get("peak_memory_bytes", {}).get("max"))
        rows.append(row)
    frame = pandas.DataFrame(rows)
    reasons = [name for name in frame.columns if name.startswith("lost_")]
    frame[reasons] = frame[reasons].fillna(0).astype(int)
    first = [name for name in ("round", "seconds", "clients", "counted", "lost") if name in frame.columns]
    return frame[first + [name for name in frame.columns if name not in first]]


def phases(lines: list[dict[str, Any]]) -> pandas.DataFrame:
    """A row a round and phase, of the lines of rounds.jsonl: seconds, mean and largest of the ranks."""
    rows = [
        (line["round"], phase, number(value["mean"]), number(value["max"]))
        for line in lines
        for phase, value in line["phases"].items()
    ]
    return pandas.DataFrame(rows, columns=["round", "phase", "mean", "max"])


def joules(lines: list[dict[str, Any]]) -> pandas.DataFrame:
    """A row a round, kind ("cpu", "gpu"), phase and rank, of the lines of rounds.jsonl that have joules."""
    rows = [
        (line["round"], kind, phase, rank, number(value))
        for line in lines
        for kind, of_phase in line.get("joules", {}).items()
        for phase, of_rank in of_phase.items()
        for rank, value in enumerate(of_rank)
    ]
    return pandas.DataFrame(rows, columns=["round", "kind", "phase", "rank", "joules"])


def table_of_sites(table: dict[str, Any], held_out: bool) -> pandas.DataFrame:
    """Sites (rows) and measures (columns, those of single classes as well) of a table of summary.json."""
    classes = table.get("classes", {}).get("sites", {})
    rows = {
        site: {name: number(value) for name, value in (values | classes.get(site, {})).items()}
        for site, values in table["sites"].items()
    }
    frame = pandas.DataFrame.from_dict(rows, orient="index")
    frame.index.name = "site"
    frame.insert(0, "samples", [table.get("samples", {}).get(site, math.nan) for site in rows])
    frame.insert(0, "held_out", held_out)
    return frame
