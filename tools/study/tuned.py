# SPDX-License-Identifier: Apache-2.0
"""What tuning has found: keys by method, from files of tools/tune.py or from the runs of `rates`."""

import pathlib
from collections.abc import Sequence

from harmofl_runs import Run
from harmofl_runs.files import read_ini
from study.errors import StudyError
from study.experiments import EXPERIMENTS, METHODS, Keys
from study.plan import Case, best_rates, plan, with_keys

# What tuning may not say, since the experiment does.
OURS = ("run.", "data.", "model.", "comm.", "device.")


def of_files(folder: pathlib.Path, methods: Sequence[str]) -> dict[str, Keys]:
    """The keys of FOLDER/METHOD.ini; a half of HarmoFL and `pooled` take those of their algorithm where
    they have no file of their own."""
    found = {}
    for method in methods:
        own = folder / f"{method}.ini"
        keys = read_ini(own if own.is_file() else folder / f"{METHODS[method]['algorithm.name']}.ini")
        found[method] = {
            key: value
            for key, value in keys.items()
            if key != "algorithm.name" and key not in METHODS[method] and not key.startswith(OURS)
        }
    return found


def of_rates(output: pathlib.Path, rates: str, methods: Sequence[str], held_out: str) -> dict[str, Keys]:
    """The learning rate of each method with the best validation score, a mean over seeds and over the sites
    that trained; of the runs of `rates` that held out the same site, where there are any."""
    cases = [one for one in plan(EXPERIMENTS[rates]) if one.method.rpartition("-lr")[0] in methods]
    cases = [one for one in cases if one.held_out == held_out] or cases
    scores = []
    for one in cases:
        folder = output / one.name
        if not (folder / "summary.json").is_file():
            raise StudyError(
                f"{folder}: has not ended, so no learning rate is known. Run --only {rates}, or give --tuned."
            )
        run = Run(folder)
        best = run.best("val")
        scores.append((one.method, float(best.loc[~best["held_out"], run.summary["metric"]].mean())))
    return best_rates(scores)


def tune(folder: pathlib.Path | None, output: pathlib.Path, cases: Sequence[Case]) -> list[Case]:
    """The runs of an experiment with their methods' keys, of files in `folder` if there is one, else of the
    runs that chose rates for it. Runs of no method of METHODS take FedAvg's."""
    methods = sorted({one.method if one.method in METHODS else "fedavg" for one in cases})
    if folder:
        keys = of_files(folder, methods)
        return [with_keys(one, keys) for one in cases]
    rates = [(EXPERIMENTS[one.experiment].rates, one.held_out) for one in cases]
    found = {asked: of_rates(output, asked[0], methods, asked[1]) for asked in dict.fromkeys(rates)}
    return [with_keys(one, found[asked]) for one, asked in zip(cases, rates)]
