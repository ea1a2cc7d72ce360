# SPDX-License-Identifier: Apache-2.0
"""Time by phase, and by the number of ranks."""

import pandas

from report import style
from report.plots import Missing, Plot


def phases(study) -> Plot:
    """Seconds of a round by phase: mean over ranks, rounds and runs."""
    rows = []
    for group in study.groups:
        found = pandas.concat([run.phases() for run in group.runs.values()])
        for phase, seconds in found.groupby("phase")["mean"].mean().items():
            rows.append((group.label, phase, seconds))
    frame = pandas.DataFrame(rows, columns=["group", "phase", "seconds_a_round"])
    table = frame.pivot(index="group", columns="phase", values="seconds_a_round").fillna(0)
    table = table.reindex([group.label for group in study.groups])
    table = table[table.sum().sort_values(ascending=False).index]
    figure, (axes,) = style.panels(1, width=8, height=1.6 + 0.5 * len(table))
    style.stack(axes, table)
    axes.set_xlabel("seconds a round")
    alt = "Bars of the seconds of a round, one a group, divided into phases."
    title = "Time of a round by phase: mean of ranks, rounds and seeds"
    return Plot("phases", title, alt, style.content(figure), frame)


def scaling(study) -> Plot | Missing:
    """Seconds of a round by number of ranks, where runs differ in it."""
    rows = [
        (group.label, run.seed, len(run.provenance["ranks"]), run.rounds()["seconds"].median())
        for group in study.groups
        for run in group.all_runs
    ]
    frame = pandas.DataFrame(rows, columns=["group", "seed", "ranks", "seconds_a_round"])
    counts = sorted(frame["ranks"].unique())
    if len(counts) < 2:
        return Missing("Scaling", f"All runs had {counts[0]} ranks. Add runs with other numbers of ranks.")
    figure, (axes,) = style.panels(1, width=6)
    for index, group in enumerate(study.groups):
        times = frame[frame["group"] == group.label].groupby("ranks")["seconds_a_round"].median()
        axes.plot(times.index, times, label=group.label, **style.look(index))
    axes.set(xscale="log", yscale="log", xlabel="ranks", ylabel="seconds a round")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.legend()
    alt = "Lines of the seconds of a round over the number of ranks, one a group."
    return Plot("scaling", "Scaling: median time of a round", alt, style.content(figure), frame)


def plots(study) -> list[Plot | Missing]:
    return [phases(study), scaling(study)]
