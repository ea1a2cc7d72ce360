# SPDX-License-Identifier: Apache-2.0
"""What runs used in joules, beside what they reached."""

from dataclasses import dataclass

import pandas

from harmofl_runs import Run
from report.groups import Group

COLUMNS = ["group", "seed", "rounds_done", "joules", "value"]


@dataclass(frozen=True)
class Used:
    """Of the runs that have joules of every round."""

    frame: pandas.DataFrame
    """A row a run and measured round: group, seed, rounds_done, joules of all ranks until then, and value:
    the mean, over sites that take part, of the measure on test images."""
    runs: pandas.DataFrame
    """A row a run: group, seed, kinds, joules, joules_to_best, score at the best round."""
    phases: pandas.DataFrame
    """A row a run, kind and phase: joules."""
    left_out: list[str]
    """Runs that have joules of a part of their rounds; sentences."""


def why_none(run: Run) -> str:
    """Why a run has no joules."""
    found = run.summary.get("joules", {})
    reasons = [of["not_available"] for of in found.values() if isinstance(of, dict) and "not_available" in of]
    return reasons[0] if reasons else "Train with `run.energy = true` where counters can be read"


def rows_of(group: Group, run: Run, measure: str, sums: pandas.Series) -> pandas.DataFrame:
    """The measured rounds of a run, with the joules until the end of each."""
    scores = run.scores()
    scores = scores[(scores["split"] == "test") & (scores["measure"] == measure) & ~scores["held_out"]]
    means = scores.groupby("round")["value"].mean()
    until = sums.cumsum()
    rows = {
        "group": group.label,
        "seed": run.seed,
        "rounds_done": means.index + 1,
        "joules": until.loc[means.index].to_numpy(),
        "value": means.to_numpy(),
    }
    return pandas.DataFrame(rows, columns=COLUMNS)


def of_study(study) -> Used:
    """The joules of all runs of a study that are whole."""
    frames, runs, phases, left_out = [], [], [], []
    for group in study.groups:
        for seed, run in sorted(group.runs.items()):
            joules = run.joules()
            sums = joules.groupby("round")["joules"].sum(min_count=1)
            known = joules.groupby("round")["joules"].apply(lambda values: values.notna().all())
            rounds = len(run.rounds())
            if joules.empty:
                continue
            if known.sum() < rounds:
                left_out.append(f"{run.folder} has them of {known.sum()} of {rounds} rounds")
                continue
            until = sums.cumsum()
            best = run.best("test")
            kinds = tuple(sorted(joules["kind"].unique()))
            score = best.loc[~best["held_out"], study.measure].mean()
            runs.append(
                (group.label, seed, kinds, until.iloc[-1], until.loc[run.summary["best_round"]], score)
            )
            frames.append(rows_of(group, run, study.measure, sums))
            parts = joules.groupby(["kind", "phase"], as_index=False)["joules"].sum()
            phases.append(parts.assign(group=group.label, seed=seed))
    columns = ["group", "seed", "kinds", "joules", "joules_to_best", "score"]
    frame = pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame(columns=COLUMNS)
    by_phase = pandas.concat(phases, ignore_index=True) if phases else pandas.DataFrame()
    return Used(frame, pandas.DataFrame(runs, columns=columns), by_phase, left_out)
