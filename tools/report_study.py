#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tables and curves of the study that jobs/bbbc038-study.sh runs.

    tools/report_study.py STUDY_FOLDER [--picture docs/images/bbbc038.png]

Prints Markdown: the sweep of learning rates, the test Dice per site (mean and standard deviation
over the seeds, each run at its best round by validation), the variants, and the cost. Needs
matplotlib for the picture only (tools/install-deps.sh puts it in .deps/venv).
"""

import argparse
import json
import math
import pathlib
import statistics

METHODS = ["fedavg", "amplitude", "perturbation", "harmofl"]
TITLES = {
    "fedavg": "FedAvg",
    "amplitude": "amplitude only",
    "perturbation": "perturbation only",
    "harmofl": "HarmoFL",
}


def summaries(folder):
    """The summaries of all finished runs in a folder, by the name of the run."""
    return {
        path.parent.name: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*/summary.json"))
    }


def table(heads, rows):
    """Lines of a Markdown table; the first column is text, the others are numbers."""
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|--:" * (len(heads) - 1) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def deviations(runs):
    """The standard deviation over the sites of each run's test Dice; none of a run with one site."""
    return [run["test"]["std"]["dice"] for run in runs if len(run["test"]["sites"]) > 1]


def spread(values):
    """Mean, and the standard deviation (n - 1) where there is more than one value; "-" of none."""
    if not values:
        return "-"
    mean = f"{statistics.mean(values):.3f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.3f}"


def of_method(runs, method):
    """The runs of a method, one per seed."""
    return [run for name, run in runs.items() if name.rsplit("-seed", 1)[0] == method]


def sweep_table(runs):
    """Validation Dice of each method and learning rate."""
    rates = sorted({name.rsplit("-lr", 1)[1] for name in runs}, key=float)
    rows = []
    for method in METHODS:
        cells = [runs.get(f"{method}-lr{rate}") for rate in rates]
        scores = ["-" if cell is None else f"{cell['val']['mean']['dice']:.3f}" for cell in cells]
        rows.append([TITLES[method], *scores])
    return table(["validation Dice"] + [f"lr {rate}" for rate in rates], rows)


def final_table(runs):
    """Test Dice per site and on average."""
    by_method = {method: of_method(runs, method) for method in METHODS if of_method(runs, method)}
    sites = sorted(next(iter(by_method.values()))[0]["test"]["sites"])
    rows = [
        [site]
        + [spread([run["test"]["sites"][site]["dice"] for run in group]) for group in by_method.values()]
        for site in sites
    ]
    rows.append(
        ["**mean of sites**"]
        + [spread([run["test"]["mean"]["dice"] for run in group]) for group in by_method.values()]
    )
    rows.append(["std over sites"] + [spread(deviations(group)) for group in by_method.values()])
    rows.append(
        ["best round"] + [" ".join(str(run["best_round"]) for run in group) for group in by_method.values()]
    )
    rows.append(
        ["least seconds a run"]
        + [f"{min(sum(run['seconds'].values()) for run in group):.0f}" for group in by_method.values()]
    )
    return table(["test Dice"] + [TITLES[method] for method in by_method], rows)


def why_table(runs, final):
    """Variants of seed 0 beside the runs they vary."""
    rows = [
        [name, f"{run['val']['mean']['dice']:.3f}", f"{run['test']['mean']['dice']:.3f}"]
        for name, run in [(f"{m}-seed0", final.get(f"{m}-seed0")) for m in METHODS] + list(runs.items())
        if run is not None
    ]
    return table(["run", "validation Dice", "test Dice"], rows)


def curve(folder):
    """Rounds and the mean test Dice of the sites at them."""
    values = {}
    for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if record["split"] == "test":
            values.setdefault(record["round"] + 1, []).append(record["dice"])
    return {count: statistics.mean(dice) for count, dice in sorted(values.items())}


def draw(study, runs, path):
    """The curves of all seeds, and the test Dice per site."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 3.8), width_ratios=[1, 1.3])
    methods = [method for method in METHODS if of_method(runs, method)]
    sites = sorted(of_method(runs, methods[0])[0]["test"]["sites"])
    for index, method in enumerate(methods):
        curves = [
            curve(folder)
            for folder in sorted((study / "final").glob(f"{method}-seed*/"))
            if (folder / "summary.json").exists()
        ]
        rounds = list(curves[0])
        columns = [[one[count] for one in curves] for count in rounds]
        means = [statistics.mean(column) for column in columns]
        left.plot(rounds, means, color=f"C{index}", label=TITLES[method])
        left.fill_between(
            rounds,
            [min(c) for c in columns],
            [max(c) for c in columns],
            color=f"C{index}",
            alpha=0.15,
            linewidth=0,
        )
        per_site = [[run["test"]["sites"][site]["dice"] for run in of_method(runs, method)] for site in sites]
        right.bar(
            [k + (index - 1.5) * 0.2 for k in range(len(sites))],
            [statistics.mean(values) for values in per_site],
            0.2,
            color=f"C{index}",
            yerr=[statistics.stdev(v) if len(v) > 1 else math.nan for v in per_site],
            ecolor="0.3",
        )
    left.set(xlabel="rounds", ylabel="test Dice, mean of six sites")
    left.legend(fontsize=8, loc="lower right")
    right.set(ylabel="test Dice at the best round", xticks=range(len(sites)), xticklabels=sites)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=pathlib.Path)
    parser.add_argument("--picture", type=pathlib.Path)
    arguments = parser.parse_args()
    final = summaries(arguments.study / "final")
    if not final:
        parser.exit(1, f"{arguments.study}/final: holds no finished run; see jobs/bbbc038-study.sh\n")
    for lines in (
        sweep_table(summaries(arguments.study / "sweep")),
        final_table(final),
        why_table(summaries(arguments.study / "why"), final),
    ):
        print("\n".join(lines))
    if arguments.picture:
        draw(arguments.study, final, arguments.picture)


if __name__ == "__main__":
    main()
