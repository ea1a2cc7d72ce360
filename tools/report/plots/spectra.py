# SPDX-License-Identifier: Apache-2.0
"""Amplitude spectra of the sites before and after normalisation, of `harmofl analyse spectra`."""

import pandas

from report import style
from report.plots import Missing, Plot, first_with


def panel(axis, rows: pandas.DataFrame, sites: list[str], when: str, label: str) -> None:
    """A line a site; frequency 0 lies at the left end, since the axis is linear."""
    for index, site in enumerate(sites):
        axis.plot(rows["radius"], rows[f"{when}_{site}"], label=site, **style.look(index))
    axis.set(yscale="log", title=f"{label}: {when}", xlabel="cycles an image", ylabel="mean amplitude")
    axis.legend()


def plots(study) -> list[Plot | Missing]:
    """Two panels a group."""
    runs = [(group, first_with(group, "spectra.json")) for group in study.groups]
    runs = [(group, run) for group, run in runs if run is not None]
    if not runs:
        return [Missing("Amplitude spectra", "Run `harmofl analyse spectra` on a checkpoint of each group.")]
    figure, axes = style.panels(2 * len(runs), columns=2)
    frames = []
    for index, (group, run) in enumerate(runs):
        facts, rows = run.analysis("spectra")
        for axis, when in zip(axes[2 * index :], ("before", "after")):
            panel(axis, rows, facts["sites"], when, group.label)
        frames.append(rows.assign(group=group.label, seed=run.seed, band=facts["band"]))
    alt = "Lines of mean amplitude over frequency, one a site, before and after amplitude normalisation."
    title = "Amplitude spectra of the sites' images, before and after normalisation"
    return [Plot("spectra", title, alt, style.content(figure), pandas.concat(frames, ignore_index=True))]
