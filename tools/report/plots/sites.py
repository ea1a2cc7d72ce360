# SPDX-License-Identifier: Apache-2.0
"""The test score of every site."""

import pandas

from report import style
from report.plots import Plot


def frame_of(study) -> pandas.DataFrame:
    """Group, seed, site, held_out and the score."""
    rows = [
        (group.label, seed, site, row["held_out"], row[study.measure])
        for group in study.groups
        for seed, run in sorted(group.runs.items())
        for site, row in run.best("test").iterrows()
    ]
    return pandas.DataFrame(rows, columns=["group", "seed", "site", "held_out", "value"])


def offsets(count: int, width: float = 0.7) -> list[float]:
    """Where the marks of `count` groups stand around their tick, which is in their middle."""
    return [(index - (count - 1) / 2) * width / count for index in range(count)]


def plots(study) -> list[Plot]:
    """A mark a seed, a bar at their mean; the marks of a site stand around its tick."""
    frame = frame_of(study)
    sites = list(dict.fromkeys(frame["site"]))
    figure, (axes,) = style.panels(1, width=max(6.0, 1.1 * len(sites) + 3))
    for index, (group, offset) in enumerate(zip(study.groups, offsets(len(study.groups)))):
        look = style.look(index)
        rows = frame[frame["group"] == group.label]
        places = [sites.index(site) + offset for site in rows["site"]]
        axes.plot(places, rows["value"], look["marker"], color=look["color"], alpha=0.75, label=group.label)
        means = rows.groupby("site")["value"].mean()
        middles = [sites.index(site) + offset for site in means.index]
        axes.hlines(
            means,
            [x - 0.3 / len(study.groups) for x in middles],
            [x + 0.3 / len(study.groups) for x in middles],
            color=look["color"],
        )
    held = set(frame[frame["held_out"]]["site"])
    axes.set_xticks(
        range(len(sites)),
        [f"{site}\n(held out)" if site in held else site for site in sites],
        rotation=0 if len(sites) < 8 else 60,
    )
    axes.set(ylabel=f"test {study.measure}", xlim=(-0.6, len(sites) - 0.4))
    axes.legend()
    alt = f"Marks of test {study.measure} at {len(sites)} sites, a mark a seed, a bar at their mean."
    title = "Test score of every site: a mark a seed, a bar at the mean"
    return [Plot("sites", title, alt, style.content(figure), frame)]
