# SPDX-License-Identifier: Apache-2.0
"""Scores, their differences, and the measured shift against a fact of the setting, as the strength of a
shift or the site held out."""

import math

import pandas

from report import style
from report.against import PARTS, Against, shown
from report.measured import shift
from report.plots import Missing, Plot

WIDTH = 5.6


def looks(against: Against) -> dict[str, dict]:
    """A look for each method."""
    return {label: style.look(index) for index, label in enumerate(against.labels)}


def joined(against: Against, look: dict) -> dict:
    """The look of the marks of a method: no line joins names."""
    return look if against.ordered else {**look, "linestyle": "none"}


def drawn_parts(frame: pandas.DataFrame) -> list[tuple[bool, str]]:
    """The parts that there are sites of."""
    return [(held_out, name) for held_out, name in PARTS if (frame["site_held_out"] == held_out).any()]


def scores_plot(against: Against) -> list[Plot | Missing]:
    """A line a method through the means of its seeds, a faint mark a seed; a panel for each part of the
    sites."""
    frame = against.scored
    parts = drawn_parts(frame)
    figure, axes = style.panels(len(parts), width=WIDTH, height=4.2)
    for axis, (held_out, name) in zip(axes, parts):
        for label, look in looks(against).items():
            rows = frame[(frame["site_held_out"] == held_out) & (frame["method"] == label)]
            if rows.empty:
                continue
            means = rows.groupby(against.key)[against.measure].mean()
            axis.plot(means.index, means, label=label, **joined(against, look))
            axis.plot(
                rows[against.key], rows[against.measure], look["marker"], color=look["color"], alpha=0.25
            )
        axis.set(title=name, xlabel=against.key, ylabel=f"test {against.measure}")
    axes[-1].legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    alt = (
        f"{'Lines' if against.ordered else 'Marks'} of test {against.measure} over {against.key}, one a "
        f"method, for "
        f"{' and for '.join(name for _, name in parts)}; a faint mark a seed."
    )
    means = "a line through the means" if against.ordered else "a mark for the mean"
    title = f"Test {against.measure} against {against.key}: {means} of seeds, a faint mark a seed"
    return [Plot("against", title, alt, style.content(figure), frame)]


def difference_frame(against: Against) -> pandas.DataFrame:
    """Differences from the baseline with their intervals, a row a method, value and part."""
    rows = [
        (value, label, held_out, one.seeds, one.mean, *one.interval, one.p_holm)
        for held_out, of_part in against.apart.items()
        for value, found in of_part.items()
        for label, one in found.comparisons.items()
    ]
    columns = [against.key, "method", "site_held_out", "seeds", "difference", "low", "high", "p_holm"]
    return pandas.DataFrame(rows, columns=columns)


def differences_plot(against: Against) -> list[Plot | Missing]:
    """A mark a method and value with its 95 % interval, methods beside one another."""
    frame = difference_frame(against)
    if frame.empty:
        return [Missing("Differences", "Let runs of two methods with the same seed end.")]
    parts = drawn_parts(frame)
    figure, axes = style.panels(len(parts), columns=1, width=2 * WIDTH, height=3.6)
    labels = [label for label in against.labels if label != against.baseline]
    values = sorted(frame[against.key].unique())
    for axis, (held_out, name) in zip(axes, parts):
        for index, label in enumerate(labels):
            rows = frame[(frame["site_held_out"] == held_out) & (frame["method"] == label)]
            beside = [
                values.index(v) + (index - (len(labels) - 1) / 2) * 0.8 / len(labels)
                for v in rows[against.key]
            ]
            # Without an interval (one seed, one case) the mark stands alone.
            below = (rows["difference"] - rows["low"]).fillna(0)
            above = (rows["high"] - rows["difference"]).fillna(0)
            look = {**looks(against)[label], "linestyle": "none"}
            axis.errorbar(beside, rows["difference"], yerr=[below, above], capsize=2, label=label, **look)
        axis.axhline(0, color=style.INK, linewidth=0.8)
        axis.set_xticks(range(len(values)), [shown(value) for value in values])
        axis.set(title=name, xlabel=against.key, ylabel=f"{against.measure} minus {against.baseline}'s")
    axes[0].legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    alt = f"Marks of the difference from {against.baseline} with intervals, by {against.key}, one a method."
    title = (
        f"Difference from {against.baseline} at each {against.key}, with 95 % intervals over seeds and cases"
    )
    return [Plot("against-differences", title, alt, style.content(figure), frame)]


def shift_frame(against: Against) -> pandas.DataFrame:
    """The shift of every run that was measured: that of the baseline's runs, since it does not depend on
    the method."""
    rows = []
    for value, group, run in against.runs:
        if group.label == against.baseline and run.has("spectra.json"):
            found = shift(run, run.config.get("data.hold_out", ""))
            rows += [(value, run.seed, name, one, str(run.folder)) for name, one in found.items()]
    frame = pandas.DataFrame(rows, columns=[against.key, "seed", "quantity", "value", "run"])
    return frame[~frame["value"].map(math.isnan)]


def shift_plot(against: Against) -> list[Plot | Missing]:
    """Distances of the sites' spectra, a mark a seed, a line through the means."""
    frame = shift_frame(against)
    if frame.empty:
        return [Missing("Measured shift", "Run `harmofl analyse spectra` on the runs of the baseline.")]
    figure, axes = style.panels(1, width=WIDTH + 1)
    words = {
        "shift": "sites that took part, each from the others",
        "shift_held_out": "the site held out, from those",
    }
    for index, (name, label) in enumerate(words.items()):
        rows = frame[frame["quantity"] == name]
        if rows.empty:
            continue
        look = style.look(index)
        means = rows.groupby(against.key)["value"].mean()
        axes[0].plot(means.index, means, label=label, **joined(against, look))
        axes[0].plot(rows[against.key], rows["value"], look["marker"], color=look["color"], alpha=0.3)
    axes[0].set(xlabel=against.key, ylabel="log distance of amplitude spectra")
    axes[0].legend()
    alt = (
        f"Lines of the distance between the sites' mean amplitude spectra over {against.key}, a mark a seed."
    )
    title = f"Measured shift against {against.key}: log distance of mean amplitude spectra"
    return [Plot("against-shift", title, alt, style.content(figure), frame)]
