# SPDX-License-Identifier: Apache-2.0
"""Pictures of a study: speed-up, efficiency and phases as measured, and the projection."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import ScalarFormatter

from . import bounds
from .records import PHASES

COLOURS = dict(
    zip(
        PHASES,
        ("#4477aa", "#66ccee", "#ee6677", "#ccbb44", "#ddaa88", "#228833", "#99ddbb", "#aa3377", "#bbbbbb"),
    )
)
SIZE = (5.2, 3.6)  # inches


def save(figure, path):
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def by_ranks(axes, ranks, label):
    """A logarithmic axis of ranks that shows the numbers themselves."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(ranks)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xlabel("ranks")
    axes.set_ylabel(label)
    axes.grid(True, alpha=0.3)


def with_range(axes, ranks, spreads, label, **style):
    """Medians with the range of the runs."""
    medians = [one.median for one in spreads]
    below = [one.median - one.least for one in spreads]
    above = [one.most - one.median for one in spreads]
    axes.errorbar(ranks, medians, yerr=[below, above], marker="o", capsize=3, label=label, **style)


def plot_speed_up(path, kind, counts):
    """Measured speed-up between the lines that bound it."""
    ranks = [c.ranks for c in counts]
    figure, axes = plt.subplots(figsize=SIZE)
    axes.plot(ranks, ranks, color="#999999", linestyle=":", label="ranks")
    between = range(min(ranks), max(ranks) + 1)
    clients = {p: round(counts[0].clients * (p / ranks[0] if kind == "weak" else 1)) for p in between}
    axes.plot(
        between,
        [bounds.equal_clients_bound(clients[p], p) for p in between],
        color="#228833",
        label="K / ceil(K / P)",
    )
    axes.plot(
        ranks,
        [c.longest_first_bound for c in counts],
        "s--",
        color="#ee6677",
        markersize=4,
        label="longest first, on the cores there are",
    )
    with_range(axes, ranks, [c.speed_up for c in counts], "measured", color="#4477aa")
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter(ScalarFormatter())
    by_ranks(axes, ranks, "speed-up" if kind == "strong" else "scaled speed-up")
    axes.legend(fontsize=8, loc="upper left")
    save(figure, path)


def plot_efficiency(path, counts):
    ranks = [c.ranks for c in counts]
    figure, axes = plt.subplots(figsize=SIZE)
    axes.plot(
        ranks,
        [c.longest_first_bound / c.ranks for c in counts],
        "s--",
        color="#ee6677",
        markersize=4,
        label="longest first, on the cores there are",
    )
    with_range(axes, ranks, [c.efficiency for c in counts], "measured", color="#4477aa")
    axes.set_ylim(0, 1.15 * max(1.0, *(c.efficiency.most for c in counts)))
    by_ranks(axes, ranks, "efficiency")
    axes.legend(fontsize=8, loc="lower left")
    save(figure, path)


def plot_phases(path, counts):
    """What the mean rank did in a round, phase above phase."""
    figure, axes = plt.subplots(figsize=SIZE)
    places, bottom = range(len(counts)), [0.0] * len(counts)
    for name in PHASES:
        heights = [c.phases[name].median for c in counts]
        if max(heights) > 0.002 * max(c.seconds.median for c in counts):
            axes.bar(places, heights, 0.6, bottom=bottom, color=COLOURS[name], label=name)
        bottom = [low + height for low, height in zip(bottom, heights)]
    axes.set_xticks(list(places), [str(c.ranks) for c in counts])
    axes.set_xlabel("ranks")
    axes.set_ylabel("seconds a round, mean of the ranks")
    axes.legend(fontsize=8, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    save(figure, path)


def plot_report(folder, kind, counts):
    plot_speed_up(folder / "speed-up.png", kind, counts)
    plot_efficiency(folder / "efficiency.png", counts)
    plot_phases(folder / "phases.png", counts)


def projected(axes, rows, name):
    """As projected with times that vary as measured, and with those of clients that never do."""
    ranks = [row["ranks"] for row in rows]
    axes.plot(ranks, [row[name] for row in rows], "o-", color="#4477aa", markersize=4, label="projected")
    axes.plot(
        ranks,
        [row[f"steady_{name}"] for row in rows],
        "--",
        color="#ee6677",
        label="each client at its median time",
    )


def plot_projection(path, result):
    """The federation that stays the same beside the one that grows."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3.6))
    same, growing = result["same"], result["growing"]
    ranks = [row["ranks"] for row in same]
    shown = [rank for rank in ranks if rank.bit_length() % 2] or ranks
    left.plot(ranks, [row["bound"] for row in same], color="#228833", label="K / ceil(K / P)")
    projected(left, same, "speed_up")
    left.set_yscale("log", base=2)
    left.yaxis.set_major_formatter(ScalarFormatter())
    left.set_title(f"{result['platform']}: {same[0]['clients']} clients", fontsize=9)
    by_ranks(left, shown, "speed-up")
    left.legend(fontsize=8, loc="upper left")
    projected(right, growing, "efficiency")
    right.set_ylim(0, 1.1)
    right.set_title(f"{result['platform']}: {growing[0]['clients']} clients a rank", fontsize=9)
    by_ranks(right, shown, "efficiency")
    right.legend(fontsize=8, loc="lower left")
    save(figure, path)
