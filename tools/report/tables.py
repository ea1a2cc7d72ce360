# SPDX-License-Identifier: Apache-2.0
"""The tables of a report."""

import math
import statistics

from report import evidence
from report.groups import Group, differing
from report.html import strong, table, text
from report.joules import of_study
from report.paired import Comparison
from report.study import Study


def spread(values: list[float]) -> str:
    """Mean, and the standard deviation (n - 1) where there is more than one value; "-" of none."""
    values = [value for value in values if not math.isnan(value)]
    if not values:
        return "-"
    mean = f"{statistics.mean(values):.3f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.3f}"


def columns_of(study: Study, group: Group) -> dict[str, list[float]]:
    """Scores by the heads of the table, a score a seed: sites, then their mean and deviation; those that are
    held out last, with a mean of their own."""
    found: dict[str, list[float]] = {}
    for run in group.runs.values():
        best = run.best("test")
        for held_out, mark in ((False, ""), (True, " (held out)")):
            values = best.loc[best["held_out"] == held_out, study.measure]
            if values.empty:
                continue
            row = {f"{site}{mark}": value for site, value in values.items()}
            row[f"mean of sites{mark}"] = values.mean()
            if len(values) > 1:
                row[f"std over sites{mark}"] = values.std()
            for head, value in row.items():
                found.setdefault(head, []).append(value)
    return found


def best_of(columns: dict[str, dict[str, list[float]]], head: str, lower: bool) -> set[str]:
    """The labels of the groups whose mean, as the table shows it, is the best of a column."""
    means = {
        label: round(statistics.mean(of[head]), 3)
        for label, of in columns.items()
        if head in of and not any(map(math.isnan, of[head]))
    }
    if not means or head.startswith("std"):
        return set()
    wanted = min(means.values()) if lower else max(means.values())
    return {label for label, mean in means.items() if mean == wanted}


def scores(study: Study) -> str:
    """Every group at every site; the best of a column in bold."""
    columns = {group.label: columns_of(study, group) for group in study.groups}
    heads = list(dict.fromkeys(head for of in columns.values() for head in of))
    lower = evidence.lower_is_better(study.measure)
    bold = {head: best_of(columns, head, lower) if len(columns) > 1 else set() for head in heads}
    rows = []
    for group in study.groups:
        cells = [(head, spread(columns[group.label].get(head, []))) for head in heads]
        rows.append(
            [text(group.label), str(len(group.runs))]
            + [strong(cell) if group.label in bold[head] else text(cell) for head, cell in cells]
        )
    order = "lower" if lower else "higher"
    caption = (
        f"Test {study.measure}, each run at its best round by validation: mean ± standard deviation (n - 1) "
        f"over seeds. {order.capitalize()} is better; the best mean of a column is bold."
    )
    return table(caption, ["group", "seeds", *heads], rows)


def p_text(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def interval_text(found: Comparison) -> str:
    low, high = found.interval
    return "-" if math.isnan(low) else f"{low:+.4f} to {high:+.4f}"


def verdict(found: Comparison, lower: bool) -> str:
    """What may be said, in words; `lower`: lower scores are better."""
    if found.holds:
        return "better" if (found.mean < 0) == lower else "worse"
    if found.needed is None:
        return "not shown; more seeds of this difference would not show it" if found.seeds > 1 else "one seed"
    if found.needed <= found.seeds:
        return "not shown; the seeds would do, the cases differ too much"
    return f"not shown; needs {found.needed} seeds, {found.needed - found.seeds} more"


def differences(study: Study, found: evidence.Evidence, held_out: bool) -> str:
    """The comparisons with the baseline."""
    lower = evidence.lower_is_better(study.measure)
    rows = [
        [
            text(label),
            str(one.seeds),
            f"{one.mean:+.4f}",
            interval_text(one),
            *(p_text(p) for p in (one.p_seeds, one.p_cases, one.p_total)),
            strong(p_text(one.p_holm)) if one.holds else p_text(one.p_holm),
            text(verdict(one, lower)),
        ]
        for label, one in found.comparisons.items()
    ]
    which = "sites that were held out" if held_out else "sites that took part"
    what = f"{found.cases} test cases" if found.single_cases else f"{found.cases} sites (no single cases)"
    caption = f"Test {study.measure} minus that of {study.baseline.label}, mean of {which}; {what}"
    heads = [
        "group",
        "seeds",
        "difference",
        "95 % interval",
        "p seeds",
        "p cases",
        "p total",
        "p (Holm)",
        "says",
    ]
    return table(caption, heads, rows, said=True)


def differences_by_site(study: Study, found: evidence.Evidence) -> str:
    """Mean differences of each site with their intervals."""
    sites = list(dict.fromkeys(site for of in found.by_site.values() for site in of))
    rows = [
        [text(label), *(text(signed(*of[site])) for site in sites)] for label, of in found.by_site.items()
    ]
    caption = (
        f"The same by site, with 95 % intervals, not corrected for their number: test {study.measure} minus "
        f"that of {study.baseline.label}"
    )
    return table(caption, ["group", *sites], rows)


def signed(mean: float, interval: tuple[float, float]) -> str:
    """A difference and its interval, which one of few values may lack."""
    low, high = interval
    return f"{mean:+.3f}" if math.isnan(low) else f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"


def joules(study: Study) -> str:
    """What the runs of each group used, and the scores that they got for it; "" without any."""
    used = of_study(study)
    left = "".join(f"<p>Joules left out: {text(line)}.</p>" for line in used.left_out)
    if used.frame.empty:
        return left
    rows = []
    for group in study.groups:
        runs = used.runs[used.runs["group"] == group.label]
        if runs.empty:
            continue
        cells = [
            runs["joules"],
            runs["joules_to_best"],
            runs["score"],
            1000 * runs["score"] / runs["joules_to_best"],
        ]
        kinds = ", ".join(sorted(set("+".join(kinds) for kinds in runs["kinds"])))
        rows.append(
            [text(group.label), str(len(runs)), text(kinds), *(text(energy_spread(c)) for c in cells)]
        )
    caption = (
        f"Joules of a run, of all ranks, and test {study.measure} at the best round: mean ± standard "
        "deviation (n - 1) over seeds. Cpu: processors and memory of the hosts, whatever else they did."
    )
    heads = [
        "group",
        "seeds",
        "counted",
        "joules in all",
        "joules to best",
        study.measure,
        "by kilojoule to best",
    ]
    return left + table(caption, heads, rows)


def energy_spread(values) -> str:
    """As `spread`, with four digits that count."""
    digits = [f"{value:.4g}" for value in (values.mean(), values.std()) if not math.isnan(value)]
    return " ± ".join(digits) or "-"


def settings(study: Study) -> str:
    """The keys in which groups differ."""
    keys = differing(study.groups)
    if not keys:
        return "<p>All runs have one configuration.</p>"
    rows = [
        [text(group.label), *(text(group.settings.get(key) or "-") for key in keys)] for group in study.groups
    ]
    return table("Keys in which the groups differ", ["group", *keys], rows, words=True)


def provenance(study: Study) -> str:
    """What computed each run."""
    rows = []
    for group in study.groups:
        for run in group.all_runs:
            made, program = run.provenance, run.provenance["harmofl"]
            devices = ", ".join(sorted({rank["device"] for rank in made["ranks"]}))
            rows.append(
                [
                    text(run.folder),
                    text(group.label),
                    text(run.seed),
                    f"{run.summary['best_round'] + 1} of {run.summary['rounds']}",
                    f"{len(made['ranks'])} x {text(devices)}",
                    text(f"{program['version']} ({program['git_commit']})"),
                    text(made["started"]),
                ]
            )
    heads = ["run", "group", "seed", "best round", "ranks", "harmofl", "started (UTC)"]
    return table("Runs", heads, rows, words=True)


def shards(study: Study) -> str:
    """The data of the first run: all runs are compared on the same cases."""
    run = next(iter(study.groups[0].runs.values()))
    rows = [
        [text(shard["site"])]
        + [
            text(f"{shard[s]['samples']} ({shard[s]['xxh3']})") if s in shard else "-"
            for s in ("train", "val", "test")
        ]
        for shard in run.provenance["shards"]
    ]
    heads = ["site", "train", "val", "test"]
    return table("Samples of each site, and the checksum XXH3 of the split", heads, rows, words=True)
