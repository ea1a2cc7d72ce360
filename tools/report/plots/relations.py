# SPDX-License-Identifier: Apache-2.0
"""Flatness and drift of the models against what they reach."""

import math

import pandas

from report import html, style
from report.against import PARTS, Against
from report.measured import drift, sharpness
from report.plots import Missing, Plot
from report.relations import Ratio, Relation, ratio, relate

REMEDY = "Run `harmofl analyse flatness` on best.h5 of the runs, and train with run.measure = true."


def logarithm(value: float) -> float:
    """NaN where a loss does not rise."""
    return math.log10(value) if value > 0 else math.nan


def frame_of(against: Against) -> pandas.DataFrame:
    """A row a run and part of the sites: score, the base-10 logarithms of what the loss rises by, and of
    the drift."""
    measured = {}
    for _, _, run in against.runs:
        found = sharpness(run) if run.has("flatness.json") else {}
        named = {f"log {name}": logarithm(value) for name, value in found.items() if "gradient" in name}
        measured[str(run.folder)] = {**named, "log drift": logarithm(drift(run))}
    frame = against.scored
    return frame.join(pandas.DataFrame([measured[run] for run in frame["run"]], index=frame.index))


def related(against: Against, frame: pandas.DataFrame) -> list[tuple[str, str, Relation]]:
    """Part of the sites, what was measured, and its correlation with the score within a value and seed."""
    found = []
    for held_out, name in PARTS:
        rows = frame[frame["site_held_out"] == held_out]
        for column in (column for column in frame.columns if column.startswith("log ")):
            one = relate(rows, column, against.measure, [against.key, "seed"]) if len(rows) else None
            if one is not None:
                found.append((name, column, one))
    return found


def table(against: Against, frame: pandas.DataFrame) -> str:
    """The correlations."""
    rows = []
    for part, column, one in related(against, frame):
        low, high = one.interval
        interval = "-" if math.isnan(low) else f"{low:+.2f} to {high:+.2f}"
        rho = "-" if math.isnan(one.rho) else f"{one.rho:+.2f}"
        rows.append([html.text(column), html.text(part), rho, interval, str(one.runs), str(one.settings)])
    if not rows:
        return ""
    caption = (
        f"Spearman's correlation with test {against.measure} over runs, after the mean of all methods with "
        f"the same {against.key} and seed is taken away; 95 % interval: seeds drawn. Below 0: flatter, or "
        "less drift, is better"
    )
    return html.table(
        caption, ["measured", "with the score of", "rho", "95 % interval", "runs", "settings"], rows
    )


def ratio_table(against: Against, frame: pandas.DataFrame) -> str:
    """What each method's models have of the baseline's flatness and drift."""
    frame = frame.drop_duplicates("run")  # a row for each part of the sites
    columns = [name for name in frame.columns if name.startswith("log ")]
    rows = []
    for label in against.labels:
        if label != against.baseline:
            found = [ratio(frame, column, against.key, (label, against.baseline)) for column in columns]
            if any(found):
                rows.append([html.text(label), *map(ratio_text, found)])
    if not rows:
        return ""
    caption = (
        f"Times {against.baseline}'s, geometric means over pairs of the same {against.key} and seed; 95 % "
        "interval over seeds. Below 1: flatter, or less drift"
    )
    return html.table(caption, ["method", *(name.removeprefix("log ") for name in columns)], rows)


def ratio_text(one: Ratio | None) -> str:
    if one is None:
        return "-"
    low, high = one.interval
    return f"{one.factor:.2f}" + ("" if math.isnan(low) else f" ({low:.2f} to {high:.2f})")


def plots(against: Against, frame: pandas.DataFrame) -> list[Plot | Missing]:
    """A mark a run: what the loss rises by, and drift, against the score."""
    columns = [name for name in frame.columns if name.startswith("log ") and frame[name].notna().any()]
    if not columns:
        return [Missing("Flatness against score", REMEDY)]
    parts = [(held_out, name) for held_out, name in PARTS if (frame["site_held_out"] == held_out).any()]
    figure, axes = style.panels(len(columns) * len(parts), columns=len(columns))
    for row, (held_out, name) in enumerate(parts):
        for index, column in enumerate(columns):
            axis = axes[row * len(columns) + index]
            for number, label in enumerate(against.labels):
                rows = frame[(frame["site_held_out"] == held_out) & (frame["method"] == label)]
                look = {**style.look(number), "linestyle": "none"}
                axis.plot(rows[column], rows[against.measure], label=label, **look)
            axis.set(title=name, xlabel=f"{column} (base 10)", ylabel=f"test {against.measure}")
    axes[len(columns) - 1].legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    alt = f"Marks of test {against.measure} over what the loss rises by, and over drift, a mark a run."
    return [
        Plot(
            "against-flatness",
            "Flatness and drift against score, a mark a run",
            alt,
            style.content(figure),
            frame,
        )
    ]
