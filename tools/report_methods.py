#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tables of the comparison that jobs/bbbc038-methods.sh runs.

    tools/report_methods.py STUDY_FOLDER [--picture docs/images/methods.png]

Prints Markdown: the test Dice of every method (mean and standard deviation over the seeds, each run
at its best round by validation) with its cost in seconds and bytes, the Dice per site, and the sweep
of learning rates. Needs matplotlib for the picture only.
"""

import argparse
import pathlib
import statistics

from report_study import deviations, of_method, spread, summaries, table


def methods_of(runs):
    """The methods of runs called METHOD-seedN, best mean test Dice first."""
    names = sorted({name.rsplit("-seed", 1)[0] for name in runs})
    return sorted(names, key=lambda name: -mean_dice(of_method(runs, name)))


def mean_dice(group):
    """Mean over seeds of the test Dice, mean of sites."""
    return statistics.mean(run["test"]["mean"]["dice"] for run in group)


def learning_rate(study, method):
    """The learning rate of the final runs of a method, as their configurations say."""
    configuration = (study / "final" / f"{method}-seed0" / "config.ini").read_text(encoding="utf-8")
    return next(line.split(" = ")[1] for line in configuration.splitlines() if line.startswith("lr"))


def overview(study, runs):
    """Quality and cost."""
    rows = []
    for method in methods_of(runs):
        group = of_method(runs, method)
        train = [run["seconds"]["train"] / run["rounds"] for run in group]
        sent = group[0]["sent_bytes_a_client"] / group[0]["rounds"]
        rows.append(
            [
                method,
                learning_rate(study, method),
                spread([run["test"]["mean"]["dice"] for run in group]),
                spread([run["val"]["mean"]["dice"] for run in group]),
                spread(deviations(group)),
                " ".join(str(run["best_round"]) for run in group),
                f"{min(train):.2f}",
                f"{sent / 1e6:.2f}",
            ]
        )
    return table(
        [
            "method",
            "lr",
            "test Dice",
            "validation Dice",
            "std over sites",
            "best round",
            "least s a round",
            "MB a round",
        ],
        rows,
    )


def per_site(runs):
    """Test Dice of every site."""
    methods = methods_of(runs)
    sites = sorted(of_method(runs, methods[0])[0]["test"]["sites"])
    return table(
        ["test Dice"] + sites,
        [
            [method]
            + [
                spread([run["test"]["sites"][site]["dice"] for run in of_method(runs, method)])
                for site in sites
            ]
            for method in methods
        ],
    )


def sweep(runs):
    """Validation Dice by learning rate."""
    rates = sorted({name.rsplit("-lr", 1)[1] for name in runs}, key=float)
    methods = sorted({name.rsplit("-lr", 1)[0] for name in runs})
    return table(
        ["validation Dice"] + [f"lr {rate}" for rate in rates],
        [
            [method] + [f"{runs[f'{method}-lr{rate}']['val']['mean']['dice']:.3f}" for rate in rates]
            for method in methods
        ],
    )


def norms(runs):
    """FedAvg with norms of running statistics."""
    return table(
        ["run", "validation Dice", "test Dice"],
        [
            [name, f"{run['val']['mean']['dice']:.3f}", f"{run['test']['mean']['dice']:.3f}"]
            for name, run in runs.items()
        ],
    )


def draw(runs, path):
    """Test Dice of every method, one mark a seed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    methods = list(reversed(methods_of(runs)))
    for position, method in enumerate(methods):
        values = [run["test"]["mean"]["dice"] for run in of_method(runs, method)]
        axes.plot(values, [position] * len(values), "o", color="C0", alpha=0.6)
        axes.plot([statistics.mean(values)], [position], "|", color="0.2", markersize=16)
    axes.set(
        yticks=range(len(methods)),
        yticklabels=methods,
        xlabel="test Dice, mean of six sites; a dot a seed, a bar their mean",
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    figure.tight_layout()
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
        parser.exit(1, f"{arguments.study}/final: holds no finished run; see jobs/bbbc038-methods.sh\n")
    for lines in (
        overview(arguments.study, final),
        per_site(final),
        sweep(summaries(arguments.study / "sweep")),
        norms(summaries(arguments.study / "norms")),
    ):
        print("\n".join(lines))
    if arguments.picture:
        draw(final, arguments.picture)


if __name__ == "__main__":
    main()
