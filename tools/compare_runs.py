#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares finished runs: one table with the test result of every run at every site.

    tools/compare_runs.py RUN_FOLDER... [--metric dice] [--markdown]

Reads RUN_FOLDER/summary.json. With exactly two runs the table also holds the difference, second
minus first. Needs only Python's standard library.
"""

import argparse
import json
import pathlib
import sys


class RunError(Exception):
    """A run folder that cannot be compared; the text says why and what to do."""


def read_summary(folder):
    """Returns the summary of a run folder, with its "test" part checked to be there."""
    path = pathlib.Path(folder) / "summary.json"
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: there is no such file; has this run finished?") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read as JSON: {error}") from None
    test = summary.get("test") if isinstance(summary, dict) else None
    if not isinstance(test, dict) or not isinstance(test.get("sites"), dict):
        raise RunError(f'{path}: has no "test" with "sites"; was the run evaluated on its test data?')
    return summary


def column_titles(summaries, folders):
    """The method of each run, with its folder's name where two runs have the same method."""
    methods = [str(summary.get("method", "?")) for summary in summaries]
    return [
        f"{method} ({pathlib.Path(folder).name})" if methods.count(method) > 1 else method
        for method, folder in zip(methods, folders)
    ]


def number(value):
    """The value if it is a number; otherwise (missing, null) None."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number else None


def result_row(title, values):
    """A row of results; one "-" where a run has none; the difference last where runs are two."""
    cells = ["-" if value is None else f"{value:.4f}" for value in values]
    if len(values) == 2:
        cells.append("-" if None in values else f"{values[1] - values[0]:+.4f}")
    return [title, *cells]


def make_rows(summaries, metric):
    """The rows under the heading: every site, then mean, std, best round and training time."""
    tests = [summary["test"] for summary in summaries]
    sites = dict.fromkeys(site for test in tests for site in test["sites"])  # ordered, each once
    rows = [
        result_row(site, [number(test["sites"].get(site, {}).get(metric)) for test in tests])
        for site in sites
    ]
    if not rows or all(cell == "-" for row in rows for cell in row[1:]):
        raise RunError(f'none of the runs has the metric "{metric}" at any site')
    for name in ("mean", "std"):
        # One site has no spread.
        values = [
            number((test.get(name) or {}).get(metric)) if name == "mean" or len(test["sites"]) > 1 else None
            for test in tests
        ]
        if values != [None] * len(values):
            row = result_row(name, values)
            rows.append(row[: len(values) + 1] + [""] if name == "std" and len(values) == 2 else row)

    padding = [""] if len(summaries) == 2 else []
    best = [f"{summary.get('best_round', '-')} of {summary.get('rounds', '-')}" for summary in summaries]
    rows.append(["best round", *best, *padding])
    seconds = [number((summary.get("seconds") or {}).get("train")) for summary in summaries]
    times = ["-" if value is None else f"{value:.1f} s" for value in seconds]
    rows.append(["training time", *times, *padding])
    return rows


def render(heading, rows, markdown):
    """The table as text: the first column to the left, the others to the right."""
    table = [heading, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(heading))]

    def line(row):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        return "| " + " | ".join(cells) + " |" if markdown else "  ".join(cells).rstrip()

    if markdown:
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    else:
        rule = ["-" * width for width in widths]
    return "\n".join([line(heading), line(rule), *map(line, rows)])


def main():
    parser = argparse.ArgumentParser(description="Compares the test results of finished runs, site by site.")
    parser.add_argument("runs", nargs="+", metavar="RUN_FOLDER", help="folder with summary.json")
    parser.add_argument("--metric", default="dice", help="a metric of the sites (default: dice)")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    options = parser.parse_args()
    try:
        summaries = [read_summary(folder) for folder in options.runs]
        rows = make_rows(summaries, options.metric)
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    heading = [f"test {options.metric}", *column_titles(summaries, options.runs)]
    if len(summaries) == 2:
        heading.append("difference")
    print(render(heading, rows, options.markdown))
    return 0


if __name__ == "__main__":
    sys.exit(main())
