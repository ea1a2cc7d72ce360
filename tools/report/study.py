# SPDX-License-Identifier: Apache-2.0
"""What a report is of."""

import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

from harmofl_runs import Run, RunError, Shard, find_shards
from report.evidence import lower_is_better
from report.groups import Group, group_runs


@dataclass
class Study:
    """Groups of runs, best first, and the measure that they are judged by."""

    groups: list[Group]
    baseline: Group
    measure: str
    shards: dict[str, Shard]
    """Shards at hand, by site."""
    unfinished: list[Run]
    """Runs that have left no summary, which are not in the groups."""


def group_mean(group: Group, measure: str) -> float:
    """Mean over seeds and sites of the test score."""
    tables = [run.best("test") for run in group.runs.values()]
    for run, table in zip(group.runs.values(), tables):
        if measure not in table.columns:
            known = ", ".join(table.columns.drop(["held_out", "samples"]))
            raise RunError(run.folder, f"has no measure {measure!r}", f"It has: {known}.")
    means = [table.loc[~table["held_out"], measure].mean() for table in tables]
    return sum(means) / len(means)


def shards_at_hand(runs: Sequence[Run], folder: pathlib.Path | None) -> dict[str, Shard]:
    """The shards of `folder`, else those that the first run names where they still lie there."""
    if folder is not None:
        return find_shards(folder)
    paths = [pathlib.Path(shard["path"]) for shard in runs[0].provenance["shards"]]
    return {shard.site: shard for shard in (Shard(path) for path in paths if path.is_file())}


def choose_baseline(groups: Sequence[Group], wanted: str | None) -> Group:
    """The group of that label or method; without a wish FedAvg, else the first."""
    for group in groups:
        if wanted in (group.label, group.method) or (wanted is None and group.method == "fedavg"):
            return group
    if wanted is not None:
        labels = ", ".join(group.label for group in groups)
        raise RunError("--baseline", f"no group is called {wanted!r}", f"There are: {labels}.")
    return groups[0]


def make_study(
    runs: Sequence[Run],
    baseline: str | None = None,
    measure: str | None = None,
    shards: pathlib.Path | None = None,
) -> Study:
    """Groups the finished runs; one that is not finished is kept apart, to be named."""
    finished = [run for run in runs if run.finished]
    if not finished:
        raise RunError(runs[0].folder, "no run here has left a summary.json", "Let one end first.")
    groups = group_runs(finished)
    measure = measure or finished[0].summary["metric"]
    chosen = choose_baseline(groups, baseline)
    groups.sort(key=lambda group: group_mean(group, measure), reverse=not lower_is_better(measure))
    unfinished = [run for run in runs if not run.finished]
    return Study(groups, chosen, measure, shards_at_hand(finished, shards), unfinished)
