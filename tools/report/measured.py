# SPDX-License-Identifier: Apache-2.0
"""Single numbers of what `harmofl analyse` left in a run folder."""

import math

import numpy

from harmofl_runs import Run

RELATIVE = (0.005, 0.02)
"""Radii of tools/study.py, as parts of the weights' norm."""
LAST_ROUNDS = 10
"""Over which drift is averaged."""


def log_distance(one: numpy.ndarray, others: numpy.ndarray) -> float:
    """Log spectral distance (Gray and Markel 1976): the root mean square over frequencies of ln A - ln B,
    where B is the geometric mean of `others` [sites, frequencies]."""
    apart = numpy.log(one) - numpy.log(others).mean(axis=0)
    return float(numpy.sqrt((apart**2).mean()))


def shift(run: Run, held_out: str = "") -> dict[str, float]:
    """Distances of the sites' mean amplitude spectra, as the shards hold them: `shift` is the mean over
    sites of the distance of each from the others, `shift_held_out` the distance of the site that never
    trained from those that did. NaN where there are too few sites."""
    facts, rows = run.analysis("spectra")
    spectra = {site: rows[f"before_{site}"].to_numpy(dtype=float) for site in facts["sites"]}

    def distance(site: str, names: list[str]) -> float:
        return log_distance(spectra[site], numpy.stack([spectra[name] for name in names]))

    trained = [site for site in spectra if site != held_out]
    if len(trained) < 2:
        return {"shift": math.nan, "shift_held_out": math.nan}
    found = [distance(site, [name for name in trained if name != site]) for site in trained]
    apart = distance(held_out, trained) if held_out in spectra else math.nan
    return {"shift": float(numpy.mean(found)), "shift_held_out": apart}


def sharpness(run: Run) -> dict[str, float]:
    """How much the loss rises, by radius: along the gradient and at random. Radii that are a part of the
    weights' norm are named by it, since a network with norms computes the same with weights of another
    size."""
    facts, rows = run.analysis("flatness")
    start = float(rows.loc[rows["radius"] == 0, "loss_gradient"].iloc[0])
    found = {}
    for _, row in rows[rows["radius"] > 0].iterrows():
        relative = float(f"{row['radius'] / facts['weight_norm']:.3g}")
        place = f"{relative:g}w" if relative in RELATIVE else f"{row['radius']:g}"
        found[f"rise_gradient_{place}"] = float(row["loss_gradient"]) - start
        found[f"rise_random_{place}"] = float(row["loss_mean"]) - start
    return found


def drift(run: Run) -> float:
    """Mean drift of the clients over the last rounds; NaN where it was not measured (run.measure)."""
    found = run.scores()
    found = found[found["measure"] == "drift"]
    last = found[found["round"] > found["round"].max() - LAST_ROUNDS]
    return float(last["value"].mean()) if len(last) else math.nan
