# SPDX-License-Identifier: Apache-2.0
"""One look: colours, markers and dashes of groups, and what matplotlib writes.

Colours are after Okabe and Ito's palette for the colour-blind, darkened until each has a contrast of 3 : 1
with white (tests/tools/report_page_test.py computes it). A group has a marker and a dash of its own as well,
so that nothing is told by colour alone."""

import io

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.ticker import MaxNLocator

COLOURS = ("#0072b2", "#c04c00", "#00775a", "#a4497e", "#7a6200", "#333333")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
HATCHES = ("", "//", "..", "xx", "\\\\", "--", "++", "oo")
INK, PAPER, LINK, QUIET = "#1a1a1a", "#ffffff", "#00548a", "#595959"

pyplot.rcParams.update(
    {
        "axes.edgecolor": QUIET,
        "axes.formatter.useoffset": False,
        "axes.grid": True,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "figure.constrained_layout.use": True,
        "font.size": 10,
        "grid.alpha": 0.3,
        "legend.fontsize": 8,
        "legend.framealpha": 0.8,
        "lines.linewidth": 1.6,
        "lines.markersize": 4.5,
        "svg.hashsalt": "harmofl",
    }
)


def look(index: int) -> dict:
    """Colour, marker and dash of the index-th group or site: 210 before one comes again."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": DASHES[index % len(DASHES)],
    }


def whole_rounds(axes, last: int) -> None:
    """An axis of rounds: whole numbers only."""
    axes.set_xlabel("rounds done")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(0.5, max(last, 1) + 0.5)


def stack(axes, table) -> None:
    """A bar a row of `table`, of its columns one after the other."""
    left = [0.0] * len(table)
    for index, name in enumerate(table.columns):
        axes.barh(
            range(len(table)),
            table[name],
            left=left,
            color=COLOURS[index % len(COLOURS)],
            hatch=HATCHES[index % len(HATCHES)],
            edgecolor="white",
            label=name,
        )
        left = [begin + length for begin, length in zip(left, table[name])]
    axes.set_yticks(range(len(table)), table.index)
    axes.invert_yaxis()
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1))  # beside the bars, which it would hide


def panels(count: int, columns: int = 3, width: float = 4.2, height: float = 3.4):
    """A figure, and its `count` axes in rows of at most `columns`."""
    columns = min(count, columns)
    rows = -(-count // columns)
    figure, grid = pyplot.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False)
    axes = list(grid.flat)
    for unused in axes[count:]:
        unused.set_axis_off()
    return figure, axes[:count]


def content(figure, kind: str = "svg") -> bytes:
    """The figure as a file; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else None
    figure.savefig(buffer, format=kind, dpi=110, metadata=metadata)
    pyplot.close(figure)
    return buffer.getvalue()
