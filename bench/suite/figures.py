# SPDX-License-Identifier: Apache-2.0
"""Figures: what a benchmark found, against something that was run in turn with it."""

import statistics


def figure(name, ours, other, goal, unit, what, better="low", command=""):
    """One row: medians of both sides, and the median ratio, other / ours where high is better.

    `ours` and `other` are lists, pair by pair of runs that followed each other.
    """
    pairs = [(b / a if better == "high" else a / b) for a, b in zip(ours, other)]
    return {
        "name": name,
        "ours": statistics.median(ours),
        "other": statistics.median(other),
        "ratio": statistics.median(pairs),
        "spread": [min(pairs), max(pairs)],
        "goal": goal,
        "unit": unit,
        "what": what,
        "repeats": len(pairs),
        "command": command,
    }


def speedup(name, ours, other, goal, what, command=""):
    """How many times faster ours is; both in seconds."""
    return figure(name, ours, other, goal, "s", what, better="high", command=command)


def missing(name, why, goal=None):
    """A row that says why there is no figure."""
    return {
        "name": name,
        "ours": None,
        "other": None,
        "ratio": None,
        "spread": None,
        "goal": goal,
        "unit": None,
        "what": why,
        "repeats": 0,
        "command": "",
    }


def table(figures):
    """All rows as text; those without a figure say why."""
    rows = [f"{'name':34} {'ours':>11} {'other':>11} {'ratio':>7}  {'spread':16} {'goal':8} what"]
    for row in figures:
        if row["ratio"] is None:
            rows.append(
                f"{row['name']:34} {'-':>11} {'-':>11} {'-':>7}  {'-':16} "
                f"{row['goal'] or '-':8} {row['what']}"
            )
            continue
        low, high = row["spread"]
        spread = f"{low:.3f} to {high:.3f}" if row["repeats"] > 1 else "-"  # one pair has none
        rows.append(
            f"{row['name']:34} {row['ours']:11.5g} {row['other']:11.5g} "
            f"{row['ratio']:7.3f}  {spread:16} {row['goal'] or '-':8} "
            f"{row['what']}"
        )
    return "\n".join(rows)


def require_below(what, value, limit):
    """Ends the benchmark where two sides that should compute the same do not."""
    if not value <= limit:
        raise SystemExit(
            f"{what}: {value:.3g}, and {limit:.3g} is allowed. The sides do not compute the same."
        )
