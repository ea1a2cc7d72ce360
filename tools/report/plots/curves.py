# SPDX-License-Identifier: Apache-2.0
"""Scores, loss and drift by round."""

import pandas

from report import style
from report.plots import Missing, Plot


def by_round(study, split: str, measure: str) -> pandas.DataFrame:
    """Group, rounds done, seed, and the mean over the sites that take part."""
    parts = []
    for group in study.groups:
        for seed, run in sorted(group.runs.items()):
            scores = run.scores()
            scores = scores[(scores["split"] == split) & (scores["measure"] == measure) & ~scores["held_out"]]
            means = scores.groupby("round")["value"].mean()
            parts.append(
                pandas.DataFrame(
                    {
                        "group": group.label,
                        "split": split,
                        "measure": measure,
                        "rounds_done": means.index + 1,
                        "seed": seed,
                        "value": means.to_numpy(),
                    }
                )
            )
    return pandas.concat(parts, ignore_index=True)


def draw(axes, study, frame: pandas.DataFrame, title: str) -> None:
    """The mean over seeds of each group, and from the lowest to the highest of them."""
    for index, group in enumerate(study.groups):
        rows = frame[frame["group"] == group.label].groupby("rounds_done")["value"]
        if rows.ngroups == 0:
            continue
        look = style.look(index)
        every = max(1, rows.ngroups // 8)
        axes.plot(rows.mean().index, rows.mean(), label=group.label, markevery=every, **look)
        axes.fill_between(
            rows.min().index, rows.min(), rows.max(), color=look["color"], alpha=0.12, linewidth=0
        )
    axes.set(title=title, ylabel=title)
    style.whole_rounds(axes, int(frame["rounds_done"].max()))
    axes.legend()


def plots(study) -> list[Plot | Missing]:
    """Scores and loss; then drift."""
    wanted = [("val", study.measure), ("test", study.measure), ("train", "loss")]
    frames = [(split, measure, by_round(study, split, measure)) for split, measure in wanted]
    frames = [entry for entry in frames if not entry[2].empty]
    figure, axes = style.panels(len(frames))
    for axis, (split, measure, frame) in zip(axes, frames):
        draw(axis, study, frame, f"{split} {measure}")
    all_rows = pandas.concat([frame for _, _, frame in frames], ignore_index=True)
    labels = ", ".join(group.label for group in study.groups)
    found: list[Plot | Missing] = [
        Plot(
            "curves",
            "Scores by round: mean of sites and seeds; the band goes from the lowest seed to the highest",
            f"Lines of {', '.join(f'{s} {m}' for s, m, _ in frames)} over the rounds, one each for {labels}.",
            style.content(figure),
            all_rows,
        )
    ]
    drift = by_round(study, "train", "drift")
    if drift.empty:
        return [*found, Missing("Drift by round", "Train with run.measure = true.")]
    figure, axes = style.panels(1, width=6)
    draw(axes[0], study, drift, "drift")
    alt = f"Lines of the drift of the clients over the rounds, one each for {labels}."
    title = "Drift of the clients by round, mean of sites and seeds"
    return [*found, Plot("drift", title, alt, style.content(figure), drift)]
