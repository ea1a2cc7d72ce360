# SPDX-License-Identifier: Apache-2.0
"""Flatness and loss surfaces, of `harmofl analyse`."""

import pandas

from report import style
from report.plots import Missing, Plot, first_with


def flatness(study) -> Plot | Missing:
    """Loss by radius, over random directions and along the gradient."""
    parts = []
    for group in study.groups:
        for seed, run in sorted(group.runs.items()):
            if run.has("flatness.json"):
                rows = run.analysis("flatness")[1]
                parts.append(rows.assign(group=group.label, seed=seed))
    if not parts:
        return Missing("Flatness", "Run `harmofl analyse flatness` on the checkpoints.")
    frame = pandas.concat(parts, ignore_index=True)
    figure, axes = style.panels(2)
    for axis, column, title in zip(
        axes, ("loss_mean", "loss_gradient"), ("random directions", "along the gradient")
    ):
        for index, group in enumerate(study.groups):
            rows = frame[frame["group"] == group.label].groupby("radius")[column].mean()
            if len(rows):
                axis.plot(rows.index, rows, label=group.label, **style.look(index))
        axis.set(title=title, xlabel="radius", ylabel="loss")
        axis.legend()
    alt = (
        "Lines of the loss over the radius by which the weights are moved, at random and along the gradient."
    )
    return Plot("flatness", "Flatness: loss around the model", alt, style.content(figure), frame)


def surface(study) -> Plot | Missing:
    """The loss on a plane through the weights, a panel a group."""
    runs = [(group, first_with(group, "surface.json")) for group in study.groups]
    runs = [(group, run) for group, run in runs if run is not None]
    if not runs:
        return Missing("Loss surface", "Run `harmofl analyse surface` on a checkpoint of each group.")
    frames = [run.analysis("surface")[1].assign(group=group.label, seed=run.seed) for group, run in runs]
    figure, axes = style.panels(len(runs))
    low = min(frame["loss"].min() for frame in frames)
    high = max(frame["loss"].max() for frame in frames)
    levels = [low + (high - low) * k / 10 for k in range(11)] if high > low else [low, low + 1]
    for axis, frame in zip(axes, frames):
        grid = frame.pivot(index="y", columns="x", values="loss")
        shades = axis.contourf(grid.columns, grid.index, grid, levels=levels, cmap="cividis")
        lines = axis.contour(grid.columns, grid.index, grid, levels=levels[1:-1:2], colors="white")
        axis.clabel(lines, fontsize=7)
        axis.plot([0], [0], "P", color="white", markeredgecolor="black", label="the model")
        axis.set(title=frame["group"].iloc[0], xlabel="x", ylabel="y")
        axis.grid(False)
        axis.legend()
    figure.colorbar(shades, ax=axes, label="loss")
    alt = "Contours of the loss on a plane through the weights, a panel a group, one scale for all."
    title = "Loss surface, filter-normalised; of the first seed that has one"
    return Plot("surface", title, alt, style.content(figure), pandas.concat(frames, ignore_index=True))


def plots(study) -> list[Plot | Missing]:
    return [flatness(study), surface(study)]
