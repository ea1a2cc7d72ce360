# SPDX-License-Identifier: Apache-2.0
"""The analysis of a study as files and as text."""

import csv
import json
import os
import pathlib
from dataclasses import asdict

from .records import PHASES

ROUND_COLUMNS = (
    "ranks",
    "run",
    "round",
    "seconds",
    "clients",
    "imbalance",
    "sent_bytes",
    "peak_memory_bytes",
    *PHASES,
    *(f"longest_{name}" for name in PHASES),
)


def round_rows(by_ranks):
    """A row for each counted round of each run."""
    for ranks, runs in by_ranks.items():
        for run in runs:
            for one in run.rounds:
                yield [
                    ranks,
                    run.folder.name,
                    one.index,
                    one.seconds,
                    one.clients,
                    one.imbalance,
                    one.sent_bytes,
                    one.peak_memory_bytes,
                    *(one.mean[name] for name in PHASES),
                    *(one.longest[name] for name in PHASES),
                ]


def count_row(count):
    """A row for a number of ranks: numbers as they are, spreads as three columns."""
    row = {}
    for name, value in asdict(count).items():
        if name == "phases":
            for phase in PHASES:
                row[phase] = value[phase]["median"]
        elif isinstance(value, dict):
            row[name] = value["median"]
            row[f"{name}_least"], row[f"{name}_most"] = value["least"], value["most"]
        else:
            row[name] = value
    return row


def write_csv(path, columns, rows):
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def write_json(path, content):
    """Replaces the file at once, so that a reader finds the old one or the new one."""
    temporary = pathlib.Path(f"{path}.tmp")
    temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def write_report(folder, study, by_ranks, counts):
    """Writes rounds.csv, ranks.csv and report.json."""
    folder = pathlib.Path(folder)
    write_csv(folder / "rounds.csv", ROUND_COLUMNS, round_rows(by_ranks))
    rows = [count_row(count) for count in counts]
    write_csv(folder / "ranks.csv", rows[0].keys(), [row.values() for row in rows])
    write_json(folder / "report.json", {"study": asdict(study), "ranks": [asdict(count) for count in counts]})


def render(heading, rows):
    """A table in Markdown, columns aligned to the right."""
    table = [heading, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(heading))]
    lines = ["| " + " | ".join(cell.rjust(width) for cell, width in zip(row, widths)) + " |" for row in table]
    lines.insert(1, "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|")
    return "\n".join(lines)


def seconds(value):
    return f"{value:.4f}"


def with_range(value, digits):
    """Median and range as text: 1.23 (1.20-1.30)."""
    return f"{value.median:.{digits}f} ({value.least:.{digits}f}-{value.most:.{digits}f})"


def text_of(counts):
    """The table that people read: seconds a round, where they went, what came of it."""
    heading = [
        "ranks",
        "runs",
        "seconds a round",
        "train",
        "imbalance",
        "aggregate",
        "rest",
        "speed-up",
        "K/ceil(K/P)",
        "longest first",
        "efficiency",
        "peak memory",
    ]
    return render(
        heading,
        [
            [
                str(c.ranks),
                str(c.runs),
                with_range(c.seconds, 3),
                seconds(c.phases["train"].median),
                seconds(c.imbalance.median),
                seconds(c.phases["aggregate"].median),
                seconds(rest_of(c)),
                with_range(c.speed_up, 2),
                f"{c.bound:.2f}",
                f"{c.longest_first_bound:.2f}",
                f"{c.efficiency.median:.2f}",
                f"{c.peak_memory_bytes / 2**20:.0f} MiB",
            ]
            for c in counts
        ],
    )


def rest_of(count):
    """What is neither training, nor waiting, nor aggregation."""
    return sum(count.phases[name].median for name in PHASES if name not in ("train", "wait", "aggregate"))
