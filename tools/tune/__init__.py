# SPDX-License-Identifier: Apache-2.0
"""Tuning with an equal budget: every method gets the same number of client steps, or of joules.

    from tune import Request, prepare, tune

    study = prepare(Request(methods=["fedavg", "harmofl"], space=read_space(path), ...), folder)
    results = tune(study, jobs=2)
    results.best["fedavg"].values          # {"train.lr": "0.0123"}

  space        what is tried: keys with ranges, for all methods and for single ones
  sampler      points of a space: Sobol's sequence, at random, or a grid
  halving      pure: rounds of the rungs, how many trials a budget pays for, who goes on
  asking       what `harmofl train --dry-run=json` says of a configuration
  planning     a Request as the Plan of all trials
  study        the folder: plan.json, a configuration and a run folder for each trial
  records      what of a budget a run has used, and its validation, by its records
  running      trials as processes, several at a time
  tuning       runs what is missing, rung by rung
  slurm        the same as arrays of jobs that wait for one another
  tables       trials.csv, tuning.md, the best configuration of each method

docs/guides/tuning.md says how all this is meant.
"""

from tune.errors import Interrupted, TuneError
from tune.planning import Plan, Request, make_plan
from tune.space import Space, read_space
from tune.study import Study, prepare
from tune.tables import write_results
from tune.tuning import Results, results_of, tune

__all__ = [
    "Interrupted",
    "Plan",
    "Request",
    "Results",
    "Space",
    "Study",
    "TuneError",
    "make_plan",
    "prepare",
    "read_space",
    "results_of",
    "tune",
    "write_results",
]
