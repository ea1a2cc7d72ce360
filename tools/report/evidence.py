# SPDX-License-Identifier: Apache-2.0
"""The scores of groups that are tested against one another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import pandas

from harmofl_runs import Run, RunError, Shard
from report.groups import Group
from report.paired import Comparison, Differences, at_site, compare

LOWER_IS_BETTER = ("loss", "hd95", "assd", "one_empty")


def lower_is_better(measure: str) -> bool:
    return measure in LOWER_IS_BETTER


def case_scores(run: Run, measure: str, split: str) -> pandas.Series | None:
    """Scores of single samples by site and id; None where the run or the measure has none."""
    if not run.has("per_sample.csv"):
        return None
    table = run.samples()
    table = table[table["split"] == split].set_index(["site", "id"])
    if measure in table.columns:
        return table[measure].astype(float)
    if measure == "accuracy" and "predicted" in table.columns:
        return (table["class"] == table["predicted"]).astype(float)
    return None


def site_scores(run: Run, measure: str, split: str) -> pandas.Series:
    """Scores by site, with an empty id."""
    best = run.best(split)
    if measure not in best.columns:
        known = ", ".join(best.columns.drop(["held_out", "samples"]))
        raise RunError(run.folder, f"has no measure {measure!r} of {split}", f"It has: {known}.")
    return pandas.Series(best[measure].to_numpy(), index=[(site, "") for site in best.index])


@dataclass
class Evidence:
    """Comparisons with the baseline, and what they rest on."""

    comparisons: dict[str, Comparison]
    by_site: dict[str, dict[str, tuple[float, tuple[float, float]]]]
    """Mean difference and its interval, by group and site."""
    cases: int
    """Cases or, without scores of single ones, sites."""
    single_cases: bool
    patients_known: bool
    left_out: list[str]
    """What was not compared, and why; sentences."""


def patients_of(shards: dict[str, Shard], keys: Sequence[tuple[str, str]], split: str) -> list[str] | None:
    """The patient of each case; None where a site's shard is not at hand."""
    if any(site not in shards for site, _ in keys):
        return None
    known = {
        (site, name): patient
        for site in {site for site, _ in keys}
        for name, patient in zip(shards[site].ids(split), shards[site].groups(split))
    }
    return [known.get(key, "") for key in keys]


def table_of(group: Group, measure: str, split: str, held_out: bool, single: bool) -> pandas.DataFrame:
    """Scores of a group: a row a seed, a column a case."""
    rows = {}
    for seed, run in sorted(group.runs.items()):
        best = run.best(split)
        sites = set(best.index[best["held_out"] == held_out])
        scores = case_scores(run, measure, split) if single else site_scores(run, measure, split)
        rows[seed] = {key: value for key, value in scores.items() if key[0] in sites}
    return pandas.DataFrame.from_dict(rows, orient="index")


def checked_pair(base: pandas.DataFrame, other: pandas.DataFrame, names: tuple[str, str]) -> list[int]:
    """The seeds of both; the cases must be the same."""
    if set(base.columns) != set(other.columns):
        key = sorted(set(base.columns) ^ set(other.columns))[0]
        raise RunError(
            names[1],
            f"was not measured on the samples of {names[0]}: only one has {key[0]} {key[1]}".rstrip(),
            "Compare runs on the same shards.",
        )
    return sorted(set(base.index) & set(other.index))


def gather(
    groups: Sequence[Group],
    baseline: Group,
    measure: str,
    shards: dict[str, Shard],
    split: str = "test",
    held_out: bool = False,
) -> Evidence | None:
    """Every group against the baseline; None where there are no such sites, or nothing to compare."""
    single = all(
        case_scores(run, measure, split) is not None for group in groups for run in group.runs.values()
    )
    tables = {group.label: table_of(group, measure, split, held_out, single) for group in groups}
    base = tables.pop(baseline.label)
    if base.empty or not tables:
        return None
    left_out, differences, patients = [], {}, None
    for label, table in tables.items():
        seeds = checked_pair(base, table, (baseline.label, label))
        if len(seeds) < len(base.index.union(table.index)):
            rest = sorted(set(base.index) ^ set(table.index))
            left_out.append(f"{label}: seeds {', '.join(map(str, rest))}, which only one of both has")
        if not seeds:
            continue
        values = table.loc[seeds, base.columns] - base.loc[seeds]
        whole = values.columns[numpy.isfinite(values).all()]
        if len(whole) < len(values.columns):
            left_out.append(
                f"{label}: {len(values.columns) - len(whole)} cases with a value that is not finite"
            )
        if len(whole) == 0:
            continue
        keys = [tuple(key) for key in whole]
        patients = patients_of(shards, keys, split) if single else None
        differences[label] = Differences.of(values[whole].to_numpy(), [key[0] for key in keys], patients)
    if not differences:
        return None
    found = compare(differences, cases=single)
    sites = sorted({str(key[0]) for key in base.columns})
    by_site = {
        label: {site: at_site(values, number) for number, site in enumerate(sites)}
        for label, values in differences.items()
        if values.sites.max() + 1 == len(sites)
    }
    return Evidence(found, by_site, base.shape[1], single, patients is not None, left_out)
