# SPDX-License-Identifier: Apache-2.0
"""A scaling study of tools/scaling.py as a section: what was measured, and what was projected from it."""

import json
import pathlib
from collections.abc import Iterator
from dataclasses import dataclass

import pandas

from harmofl_runs import RunError
from harmofl_runs.errors import read_text
from report import html, style
from report.plots import Plot

REPORT = "Give the folder of a study after `tools/scaling.py report`."
PROJECTION = "Make it again with `tools/scaling.py project`."
MEASURED = ("seconds", "speed_up", "efficiency")
PROJECTED = (
    "ranks",
    "clients",
    "seconds",
    "train",
    "imbalance",
    "communication",
    "speed_up",
    "bound",
    "efficiency",
)
FEDERATIONS = {"same": "the same federation", "growing": "a federation that grows with the ranks"}


@dataclass(frozen=True)
class ScalingStudy:
    """What a folder of tools/scaling.py holds."""

    kind: str
    """strong or weak."""
    measured: pandas.DataFrame
    """A row a number of ranks: ranks, runs, bound; median, least, most of seconds, speed_up, efficiency."""
    projections: dict[str, pandas.DataFrame]
    """By the name of the machine: a row a federation (same, growing) and number of ranks."""


def read_json(path: pathlib.Path, remedy: str) -> dict:
    try:
        content = json.loads(read_text(path, remedy))
    except ValueError:
        raise RunError(path, "is not JSON", remedy) from None
    if not isinstance(content, dict):
        raise RunError(path, "is not an object of JSON", remedy)
    return content


def measured_row(count: dict) -> dict:
    row = {"ranks": int(count["ranks"]), "runs": int(count["runs"]), "bound": float(count["bound"])}
    for name in MEASURED:
        row[name] = float(count[name]["median"])
        row[f"{name}_least"], row[f"{name}_most"] = float(count[name]["least"]), float(count[name]["most"])
    return row


def read(folder: pathlib.Path) -> ScalingStudy:
    """Reads report.json and each projection-NAME.json. Raises RunError for anything else."""
    path = folder / "report.json"
    report = read_json(path, REPORT)
    try:
        kind = str(report["study"]["kind"])
        measured = pandas.DataFrame([measured_row(count) for count in report["ranks"]])
    except (KeyError, TypeError, ValueError):
        measured = pandas.DataFrame()
    if measured.empty:
        raise RunError(path, "has no numbers by ranks", REPORT)
    return ScalingStudy(kind, measured, dict(projections_of(folder)))


def projections_of(folder: pathlib.Path) -> Iterator[tuple[str, pandas.DataFrame]]:
    """Name and rows of each projection, by name."""
    for path in sorted(folder.glob("projection-*.json")):
        found = read_json(path, PROJECTION)
        try:
            rows = [
                {"federation": federation, **{name: float(row[name]) for name in PROJECTED}}
                for federation in FEDERATIONS
                for row in found[federation]
            ]
        except (KeyError, TypeError, ValueError):
            raise RunError(path, "has no numbers by ranks", PROJECTION) from None
        yield path.stem.removeprefix("projection-"), pandas.DataFrame(rows)


def ranged(row, name: str, digits: int) -> str:
    return f"{row[name]:.{digits}f} ({row[f'{name}_least']:.{digits}f} to {row[f'{name}_most']:.{digits}f})"


def measured_table(study: ScalingStudy) -> str:
    rows = [
        [
            str(int(row["ranks"])),
            str(int(row["runs"])),
            ranged(row, "seconds", 4),
            ranged(row, "speed_up", 2),
            ranged(row, "efficiency", 2),
            f"{row['bound']:.2f}",
        ]
        for _, row in study.measured.iterrows()
    ]
    heads = ("ranks", "runs", "seconds a round", "speed-up", "efficiency", "bound of the speed-up")
    return html.table(f"Measured, {study.kind} scaling: medians of the runs (their range)", heads, rows)


def projected_table(name: str, frame: pandas.DataFrame, federation: str) -> str:
    rows = [
        [
            str(int(row["ranks"])),
            str(int(row["clients"])),
            f"{row['seconds']:.4f}",
            f"{row['communication']:.6f}",
            f"{row['speed_up']:.2f}",
            f"{row['bound']:.2f}",
            f"{row['efficiency']:.3f}",
        ]
        for _, row in frame[frame["federation"] == federation].iterrows()
    ]
    heads = ("ranks", "clients", "seconds a round", "communication, s", "speed-up", "bound", "efficiency")
    return html.table(f"Projected on {name}, {FEDERATIONS[federation]}", heads, rows)


def over_ranks(axes, ranks, label: str) -> None:
    axes.set(xscale="log", xlabel="ranks", ylabel=label)
    shown = sorted(ranks)[:: -(-len(ranks) // 8)]  # at most 8 labels
    axes.set_xticks(shown, [str(int(count)) for count in shown])
    axes.minorticks_off()
    axes.legend()


def measured_plot(study: ScalingStudy) -> Plot:
    """Speed-up with the range of the runs, beside its bound and the ideal."""
    frame = study.measured
    figure, (axes,) = style.panels(1, width=6)
    below, above = frame["speed_up"] - frame["speed_up_least"], frame["speed_up_most"] - frame["speed_up"]
    axes.errorbar(
        frame["ranks"], frame["speed_up"], yerr=[below, above], label="measured", capsize=3, **style.look(0)
    )
    axes.plot(frame["ranks"], frame["bound"], label="bound by whole clients", **style.look(1))
    axes.plot(frame["ranks"], frame["ranks"], label="as many as ranks", **style.look(5))
    over_ranks(axes, list(frame["ranks"]), "speed-up")
    alt = "Lines of the speed-up over the number of ranks: measured, with its range, its bound, and ideal."
    title = f"Measured speed-up, {study.kind} scaling"
    return Plot("scaling_study", title, alt, style.content(figure), frame)


def projected_plot(name: str, frame: pandas.DataFrame) -> Plot:
    """Efficiency of both federations by the number of ranks."""
    figure, (axes,) = style.panels(1, width=6)
    for index, (federation, words) in enumerate(FEDERATIONS.items()):
        rows = frame[frame["federation"] == federation]
        axes.plot(rows["ranks"], rows["efficiency"], label=words, **style.look(index))
    axes.set_ylim(bottom=0)
    over_ranks(axes, list(frame["ranks"].unique()), "efficiency")
    alt = f"Lines of the efficiency projected on {name} over the number of ranks, one a federation."
    return Plot(f"projection_{name}", f"Projected efficiency on {name}", alt, style.content(figure), frame)


def section(study: ScalingStudy) -> tuple[str, list[Plot]]:
    """HTML of the section, and its plots."""
    plots = [measured_plot(study)] + [projected_plot(*item) for item in study.projections.items()]
    words = measured_table(study) + html.figure(plots[0])
    for (name, frame), plot in zip(study.projections.items(), plots[1:]):
        words += "".join(
            projected_table(name, frame, federation) for federation in FEDERATIONS
        ) + html.figure(plot)
    if not study.projections:
        words += "<p>Projection: not available. Run `tools/scaling.py project` on the study's folder.</p>"
    return words, plots
