# SPDX-License-Identifier: Apache-2.0
"""Runs of a study (tools/study.py) whose setting differs in one fact, as the strength of a shift or the
site held out: what each method reaches at each value of it, for the sites that took part and for those that
did not."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import pandas

from harmofl_runs import Run, RunError
from harmofl_runs.files import read_json
from report import evidence
from report.groups import Group, settings_of
from report.paired import Comparison, Differences, compare
from report.study import Study

FACTS = "study.json"
Value = float | str
"""A number or a name."""
PARTS = ((False, "sites that took part"), (True, "sites that were held out"))


@dataclass
class Against:
    """Groups of runs by the value of the key."""

    key: str
    measure: str
    baseline: str
    labels: list[str]
    """Methods, in the order in which they are first met; the baseline first."""
    points: dict[Value, Study]
    """The groups of each value, ascending."""
    unfinished: list[Run]

    @functools.cached_property
    def together(self) -> dict[bool, dict[str, Comparison]]:
        """All values together, by whether the sites were held out."""
        return {held_out: over_all(self, held_out) for held_out, _ in PARTS}

    @functools.cached_property
    def apart(self) -> dict[bool, dict[Value, evidence.Evidence]]:
        """Each value alone, likewise."""
        return {held_out: at_each(self, held_out) for held_out, _ in PARTS}

    @functools.cached_property
    def scored(self) -> pandas.DataFrame:
        """`scores` of these runs, read once."""
        return scores(self)

    @property
    def ordered(self) -> bool:
        """Whether the values are numbers, so that a line may join them."""
        return all(not isinstance(value, str) for value in self.points)

    @property
    def runs(self) -> list[tuple[Value, Group, Run]]:
        """Every run with its value and group."""
        return [
            (value, group, run)
            for value, study in self.points.items()
            for group in study.groups
            for run in group.runs.values()
        ]


def shown(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def is_value(name: str, fact: object) -> bool:
    """Whether methods can be shown against a fact: a number or a name, but not what tells runs apart."""
    of_value = isinstance(fact, int | float | str) and not isinstance(fact, bool) and fact != ""
    return of_value and name not in ("method", "seed")


def facts_of(run: Run, key: str) -> tuple[str, Value]:
    """Method and value of the key."""
    facts = read_json(run.folder / FACTS, "Give runs of tools/study.py, which leave it.")
    value = facts.get(key)
    if not is_value(key, value):
        known = [name for name, one in facts.items() if is_value(name, one)]
        raise RunError(run.folder / FACTS, f"has no {key!r}", f"It has: {', '.join(known)}.")
    return str(facts.get("method", run.method)), value if isinstance(value, str) else float(value)


def add(groups: dict[str, Group], label: str, run: Run) -> None:
    """Puts a run into its group; two of one seed and method cannot be told apart."""
    group = groups.setdefault(label, Group(settings_of(run), label=label))
    known = group.runs.setdefault(run.seed, run)
    if known is not run:
        raise RunError(
            run.folder,
            f"has the method, seed and setting of {known.folder}",
            "Give one experiment at a time.",
        )


def arrange(
    runs: Sequence[Run], key: str, baseline: str | None = None, measure: str | None = None
) -> Against:
    """The finished runs by value of the key and by method."""
    finished = [run for run in runs if run.finished]
    if not finished:
        raise RunError(runs[0].folder, "no run here has left a summary.json", "Let one end first.")
    found: dict[Value, dict[str, Group]] = {}
    for run in finished:
        label, value = facts_of(run, key)
        if any(type(value) is not type(other) for other in found):
            raise RunError(run.folder / FACTS, f"{key} is {value!r}", "Other runs have a number, or a name.")
        add(found.setdefault(value, {}), label, run)
    labels = list(dict.fromkeys(label for groups in found.values() for label in groups))
    chosen = baseline or ("fedavg" if "fedavg" in labels else labels[0])
    if chosen not in labels:
        raise RunError("--baseline", f"no method is called {chosen!r}", f"There are: {', '.join(labels)}.")
    labels.sort(key=lambda label: label != chosen)
    name = measure or finished[0].summary["metric"]
    points = {}
    for value, groups in sorted(found.items()):
        if chosen in groups:
            of_value = [groups[label] for label in labels if label in groups]
            points[value] = Study(of_value, groups[chosen], name, {}, [])
    if not points:
        raise RunError("--baseline", f"{chosen!r} has not ended at any {key}", "Let one of its runs end.")
    return Against(key, name, chosen, labels, points, [run for run in runs if not run.finished])


def scores(against: Against) -> pandas.DataFrame:
    """A row a run and part: value, method, seed, site_held_out, and the mean of the part's sites."""
    rows = []
    for value, group, run in against.runs:
        best = run.best("test")
        if against.measure not in best.columns:
            raise RunError(run.folder, f"has no measure {against.measure!r}", "Choose another --measure.")
        for held_out, _ in PARTS:
            of_part = best.loc[best["held_out"] == held_out, against.measure]
            if len(of_part):
                rows.append((value, group.label, run.seed, held_out, of_part.mean(), str(run.folder)))
    columns = [against.key, "method", "seed", "site_held_out", against.measure, "run"]
    return pandas.DataFrame(rows, columns=columns)


def has_cases(against: Against) -> bool:
    """Whether every run tells the scores of single cases."""
    return all(evidence.case_scores(run, against.measure, "test") is not None for _, _, run in against.runs)


def mean_differences(against: Against, label: str, held_out: bool, single: bool) -> Differences | None:
    """Differences from the baseline, each the mean over the values of the key at which the case is
    measured (a site that is held out is at one of them), for the seeds that have every value. A case whose
    score is undefined somewhere does not count. None where there are none."""
    tables: list[pandas.DataFrame] = []
    for study in against.points.values():
        groups = {group.label: group for group in study.groups}
        if label not in groups:
            return None
        base, other = (
            evidence.table_of(groups[name], against.measure, "test", held_out, single)
            for name in (against.baseline, label)
        )
        if base.empty:
            return None
        seeds = evidence.checked_pair(base, other, (against.baseline, label))
        tables.append(other.loc[seeds, base.columns] - base.loc[seeds])
    seeds = sorted(set.intersection(*(set(table.index) for table in tables)))
    if not seeds:
        return None
    tables = [table.loc[seeds] for table in tables]
    undefined = {name for table in tables for name in table.columns[table.isna().any()]}
    mean = pandas.concat(tables).groupby(level=0).mean()
    mean = mean[[name for name in mean.columns if name not in undefined]]
    if mean.empty:
        return None
    return Differences.of(mean.to_numpy(), [site for site, _ in mean.columns])


def over_all(against: Against, held_out: bool) -> dict[str, Comparison]:
    """Every method against the baseline, all values of the key together."""
    single = has_cases(against)
    others = [label for label in against.labels if label != against.baseline]
    found = {label: mean_differences(against, label, held_out, single) for label in others}
    return compare({label: one for label, one in found.items() if one is not None}, cases=single)


def at_each(against: Against, held_out: bool) -> dict[Value, evidence.Evidence]:
    """Every method against the baseline, at each value alone."""
    found = {
        value: evidence.gather(study.groups, study.baseline, against.measure, {}, held_out=held_out)
        for value, study in against.points.items()
    }
    return {value: one for value, one in found.items() if one is not None}
