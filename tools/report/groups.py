# SPDX-License-Identifier: Apache-2.0
"""Runs that differ in nothing but their seed and the machine are one group."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from harmofl_runs import Run, RunError

# Keys that say where and how a run was computed and what it keeps, not what it computes.
APART = ("comm.", "device.")
ASIDE = {
    "data.residence",
    "data.shards",
    "model.kernels",
    "model.memory_format",
    "run.energy",
    "run.keep",
    "run.measure",
    "run.measures",
    "run.name",
    "run.output",
    "run.per_sample",
    "run.resume",
    "run.save_every",
    "run.save_initial",
    "run.save_minutes",
    "run.scratch",
    "run.seed",
    "run.state_memory",
    "run.trace",
}


@dataclass
class Group:
    """Runs of one method with one configuration, a run a seed."""

    settings: dict[str, str]
    runs: dict[int, Run] = field(default_factory=dict)
    """The run of each seed."""
    repeats: list[Run] = field(default_factory=list)
    """Further runs of a seed with the same scores, as on other numbers of ranks: for times only."""
    label: str = ""

    @property
    def method(self) -> str:
        return self.settings["algorithm.name"]

    @property
    def all_runs(self) -> list[Run]:
        return [*self.runs.values(), *self.repeats]


def settings_of(run: Run) -> dict[str, str]:
    """What a run computes, without its seed."""
    return {key: value for key, value in run.config.items() if key not in ASIDE and not key.startswith(APART)}


def add(group: Group, run: Run) -> None:
    """Puts a run into its group; one of a seed that is there must have the same scores."""
    known = group.runs.setdefault(run.seed, run)
    if known is run:
        return
    if not known.best("test").equals(run.best("test")):
        raise RunError(
            run.folder,
            f"has the configuration and the seed {run.seed} of {known.folder}, but other scores",
            "Give one of the two.",
        )
    group.repeats.append(run)


def differing(groups: Sequence[Group]) -> list[str]:
    """The keys whose values differ between groups, in the order of config.ini."""
    keys = dict.fromkeys(key for group in groups for key in group.settings)
    return [key for key in keys if len({group.settings.get(key) for group in groups}) > 1]


def name_groups(groups: Sequence[Group]) -> None:
    """The method, and where several groups have it, the values in which those differ."""
    for group in groups:
        alike = [other for other in groups if other.method == group.method]
        parts = [f"{key}={group.settings.get(key, '-') or '-'}" for key in differing(alike)]
        group.label = f"{group.method} ({', '.join(parts)})" if parts else group.method


def group_runs(runs: Sequence[Run]) -> list[Group]:
    """The groups of runs, in the order in which their first run comes. All must have one measure."""
    measures = {run.summary["metric"]: run for run in runs}
    if len(measures) > 1:
        first, second = list(measures.items())[:2]
        raise RunError(
            second[1].folder,
            f"was judged by {second[0]}, {first[1].folder} by {first[0]}",
            "Make a report of each kind of runs.",
        )
    found: dict[tuple, Group] = {}
    for run in runs:
        settings = settings_of(run)
        add(found.setdefault(tuple(sorted(settings.items())), Group(settings)), run)
    groups = list(found.values())
    name_groups(groups)
    return groups
