# SPDX-License-Identifier: Apache-2.0
"""Scores by the joules that they took, and joules by phase."""

from report import style
from report.joules import of_study, why_none
from report.plots import Missing, Plot


def by_joule(study, used) -> Plot:
    """The mean over seeds of scores and joules after each measured round."""
    figure, (axes,) = style.panels(1, width=6)
    for index, group in enumerate(study.groups):
        rows = used.frame[used.frame["group"] == group.label].groupby("rounds_done")[["joules", "value"]]
        if rows.ngroups == 0:
            continue
        means = rows.mean()
        every = max(1, len(means) // 8)
        axes.plot(means["joules"], means["value"], label=group.label, markevery=every, **style.look(index))
    axes.set(xlabel="joules since the start, all ranks", ylabel=f"test {study.measure}")
    axes.set_xlim(left=0)
    axes.legend()
    alt = f"Lines of the test {study.measure} over the joules used until then, one a group."
    title = f"Test {study.measure} by joule: mean of sites and seeds after each measured round"
    return Plot("joules", title, alt, style.content(figure), used.frame)


def by_phase(study, used) -> Plot:
    """Joules of a run by phase: mean over seeds."""
    sums = used.phases.groupby(["group", "seed", "phase"], as_index=False)["joules"].sum()
    table = sums.pivot_table(index="group", columns="phase", values="joules", aggfunc="mean").fillna(0)
    table = table.reindex([group.label for group in study.groups if group.label in table.index])
    table = table[table.sum().sort_values(ascending=False).index]
    figure, (axes,) = style.panels(1, width=8, height=1.6 + 0.5 * len(table))
    style.stack(axes, table)
    axes.set_xlabel("joules of a run, all ranks")
    alt = "Bars of the joules of a run, one a group, divided into phases."
    title = "Joules of a run by phase: mean of seeds"
    return Plot("joules_by_phase", title, alt, style.content(figure), used.phases)


def plots(study) -> list[Plot | Missing]:
    used = of_study(study)
    if used.frame.empty:
        first = next(iter(study.groups[0].runs.values()))
        return [Missing("Joules", why_none(first).rstrip(".") + ".")]
    return [by_joule(study, used), by_phase(study, used)]
