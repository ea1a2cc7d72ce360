# SPDX-License-Identifier: Apache-2.0
"""The best and the worst test case of each site: image, truth and prediction."""

import numpy
import pandas
from matplotlib import patheffects
from PIL import Image

from harmofl_runs import RunError
from report import style
from report.evidence import case_scores, lower_is_better
from report.plots import Missing, Plot, first_with

PREDICTED = "predicted"  # folder in that of the run, as `harmofl predict --output RUN/predicted` fills it


def extremes(scores: pandas.Series, lower: bool) -> list[tuple[str, str, str, float]]:
    """Site, best or worst, id and score; of equal scores the first case."""
    found = []
    for site, rows in scores.groupby(level=0, sort=False):
        best, worst = (rows.idxmin(), rows.idxmax()) if lower else (rows.idxmax(), rows.idxmin())
        found += [(site, "best", best[1], rows[best]), (site, "worst", worst[1], rows[worst])]
    return found


def ranking(run, measure: str) -> tuple[pandas.Series | None, str]:
    """Scores of the test cases, and what they are: of a classifier the probability of the true class."""
    samples = run.samples()
    samples = samples[samples["split"] == "test"].set_index(["site", "id"])
    if "predicted" not in samples.columns:
        return case_scores(run, measure, "test"), measure
    values = [row[f"p[{row['class']}]"] for _, row in samples.iterrows()]
    return pandas.Series(values, index=samples.index, dtype=float), "p of the true class"


def picture(pixels: numpy.ndarray) -> numpy.ndarray:
    """[H, W, 3] from 0 to 1, from the image's own least value to its largest; other than three channels are
    shown as their mean."""
    pixels = pixels.astype(float)
    span = pixels.max() - pixels.min()
    pixels = (pixels - pixels.min()) / (span if span > 0 else 1)
    return numpy.moveaxis(pixels if len(pixels) == 3 else numpy.repeat(pixels.mean(0)[None], 3, 0), 0, 2)


def predicted_mask(run, site: str, name: str, classes: int) -> numpy.ndarray:
    """The class of each pixel in a mask of `harmofl predict`, which writes 255 for the second of two."""
    path = run.folder / PREDICTED / site / f"{name}.png"
    if not path.is_file():
        raise RunError(path, "there is no such mask", "Run `harmofl predict` again, into that folder.")
    mask = numpy.asarray(Image.open(path))
    return (mask > 0).astype(int) if classes == 2 else mask


def masks_of(run, shard, site: str, name: str) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The true and the predicted class of each pixel of a test case."""
    truth = shard.masks("test", shard.ids("test").index(name))
    return truth, predicted_mask(run, site, name, len(shard.class_names))


def draw(axis, run, shard, case: tuple[str, str, str, float], measure: str) -> None:
    """An image with the outline of the truth, continuous, and of the prediction, dashed."""
    site, which, name, score = case
    index = shard.ids("test").index(name)
    axis.imshow(picture(shard.images("test", index)))
    axis.set_title(f"{site}, {which}\n{measure} {score:.3f}\n{name}", fontsize=8)
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    if shard.task != "segmentation":
        row = run.samples().set_index(["site", "id"]).loc[(site, name)]
        axis.set_xlabel(f"{row['class']}, predicted {row['predicted']}", fontsize=8)
        return
    truth, predicted = masks_of(run, shard, site, name)
    outline(axis, truth, "white", "black", "-", "truth")
    outline(axis, predicted, "black", "white", "--", "prediction")
    axis.legend(fontsize=6, facecolor="#8c8c8c", loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2)


def outline(axis, mask: numpy.ndarray, colour: str, edge: str, dashes: str, label: str) -> None:
    """The outline of all classes but the background, edged so that it is seen on light and dark ground."""
    if mask.any():
        drawn = axis.contour(mask > 0, levels=[0.5], colors=[colour], linestyles=[dashes], linewidths=1.4)
        drawn.set_path_effects([patheffects.withStroke(linewidth=2.4, foreground=edge)])
    axis.plot([], [], color=colour, linestyle=dashes, label=label)


def of_group(study, group) -> Plot | None:
    """The plot of a group's first run that has what is needed; None without."""
    run = first_with(group, "per_sample.csv")
    scores, name_of_score = (None, "") if run is None else ranking(run, study.measure)
    if scores is None:
        return None
    cases = [case for case in extremes(scores, lower_is_better(name_of_score)) if case[0] in study.shards]
    segments = any(study.shards[case[0]].task == "segmentation" for case in cases)
    if not cases or (segments and not (run.folder / PREDICTED).is_dir()):
        return None
    figure, axes = style.panels(len(cases), columns=6, width=2.1, height=2.7)
    for axis, case in zip(axes, cases):
        draw(axis, run, study.shards[case[0]], case, name_of_score)
    frame = pandas.DataFrame(cases, columns=["site", "which", "id", name_of_score])
    alt = (
        f"Images of the best and the worst test case of each site by {name_of_score}; of masks with outlines "
        f"of the truth (continuous) and of what {group.label} predicts (dashed). Names and scores are in the "
        "table beside."
    )
    title = f"Best and worst case of each site: {group.label}, seed {run.seed}"
    name = f"cases-{study.groups.index(group)}"
    frame = frame.assign(group=group.label, seed=run.seed)
    return Plot(name, title, alt, style.content(figure, "png"), frame, "png")


def plots(study) -> list[Plot | Missing]:
    found = [of_group(study, group) for group in study.groups]
    remedy = (
        "Train with run.per_sample = true, run `harmofl predict --checkpoint RUN/best.h5 --input SHARDS "
        f"--split test --output RUN/{PREDICTED}`, and name the shards by --shards where they have moved."
    )
    return [plot for plot in found if plot] or [Missing("Best and worst cases", remedy)]
