# SPDX-License-Identifier: Apache-2.0
"""The page of runs whose setting differs in one fact: tables, plots, and what they rest on."""

import pathlib

from report import html, page, tables
from report.against import PARTS, Against, Value, shown
from report.html import strong, text
from report.paired import Comparison
from report.plots import Missing, Plot
from report.plots import against as drawn
from report.plots import relations

ALL = (
    "Every seed's and case's difference is its mean over the values of {key} at which the case is measured; "
    "only seeds that have every value count. p and Holm's correction are those of comparing.md."
)


def score_columns(against: Against, held_out: bool) -> dict[str, dict[str, list[float]]]:
    """Scores by method and by the heads of the table, a column a value of the key, a score a seed."""
    found: dict[str, dict[str, list[float]]] = {}
    frame = against.scored
    rows = frame[frame["site_held_out"] == held_out]
    for (label, value), of in rows.groupby(["method", against.key], sort=True):
        found.setdefault(label, {})[head(against, value)] = of[against.measure].tolist()
    return {label: found[label] for label in against.labels if label in found}


def heads_of(against: Against, columns: dict[str, dict[str, list[float]]]) -> list[str]:
    """The heads of the columns, in the order of the key's values."""
    known = {one for of in columns.values() for one in of}
    return [one for one in (head(against, value) for value in against.points) if one in known]


def score_rows(against: Against, held_out: bool) -> tuple[list[str], list[list[str]]]:
    """Heads and cells: a row a method."""
    columns = score_columns(against, held_out)
    heads = heads_of(against, columns)
    return heads, [
        [label, *(tables.spread(of.get(one, [])) for one in heads)] for label, of in columns.items()
    ]


def best_cells(against: Against, held_out: bool) -> set[tuple[str, str]]:
    """Method and head of the best mean of each column, as the table shows it."""
    columns = score_columns(against, held_out)
    lower = tables.evidence.lower_is_better(against.measure)
    return {
        (label, one) for one in heads_of(against, columns) for label in tables.best_of(columns, one, lower)
    }


def head(against: Against, value: Value) -> str:
    return f"{against.key} {shown(value)}"


def plain(against: Against) -> str:
    """The tables of scores and of differences in Markdown."""
    parts = []
    for held_out, name in PARTS:
        heads, rows = score_rows(against, held_out)
        if rows:
            parts.append(markdown([f"test {against.measure}, {name}", *heads], rows))
            if against.together[held_out]:
                parts.append(markdown(*difference_rows(against.together[held_out], against)))
    return "\n\n".join(parts)


def markdown(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]

    def row(cells: list[str]) -> str:
        padded = [cells[0].ljust(widths[0])] + [cell.rjust(w) for cell, w in zip(cells[1:], widths[1:])]
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2)] + ["-" * (w + 1) + ":" for w in widths[1:]]) + "|"
    return "\n".join([row(lines[0]), rule, *map(row, rows)])


def difference_rows(found: dict[str, Comparison], against: Against) -> tuple[list[str], list[list[str]]]:
    heads = [f"minus {against.baseline}, all values of {against.key}", "seeds", "difference", "95 % interval"]
    rows = [
        [
            label,
            str(one.seeds),
            f"{one.mean:+.4f}",
            tables.interval_text(one),
            tables.p_text(one.p_holm),
            says(one, against),
        ]
        for label, one in found.items()
    ]
    return [*heads, "p (Holm)", "says"], rows


def says(one: Comparison, against: Against) -> str:
    return tables.verdict(one, tables.evidence.lower_is_better(against.measure))


def compared(against: Against) -> str:
    """Differences over all values, then at each."""
    parts = []
    for held_out, name in PARTS:
        found = against.together[held_out]
        if found:
            heads, rows = difference_rows(found, against)
            cells = [
                [*map(text, row[:-2]), (strong if one.holds else text)(row[-2]), text(row[-1])]
                for row, one in zip(rows, found.values())
            ]
            what = f"Test {against.measure} minus that of {against.baseline}"
            caption = f"{what}, all values of {against.key}, {name}"
            parts.append(html.table(caption, heads, cells, said=True))
        for value, of_value in against.apart[held_out].items():
            compared_to = tables.differences(against.points[value], of_value, held_out)
            parts.append(f"<h3>{text(against.key)} {text(shown(value))}, {text(name)}</h3>{compared_to}")
            parts += [f"<p>Left out: {text(line)}.</p>" for line in of_value.left_out]
    if not parts:
        return "<p>No seed is in two groups: nothing can be compared in pairs.</p>"
    return f"<p>{text(ALL.format(key=against.key))}</p>" + "".join(parts)


def score_tables(against: Against) -> str:
    parts = []
    for held_out, name in PARTS:
        heads, rows = score_rows(against, held_out)
        caption = (
            f"Test {against.measure}, {name}: mean ± standard deviation (n - 1) over seeds; the best mean of "
            "each column in bold"
        )
        if rows:
            best = best_cells(against, held_out)
            cells = []
            for label, *row in rows:
                marked = [strong if (label, at) in best else text for at in heads]
                cells.append([text(label), *(mark(cell) for mark, cell in zip(marked, row))])
            parts.append(html.table(caption, ["method", *heads], cells))
    return "".join(parts)


def sources(against: Against) -> str:
    rows = [
        [
            text(run.folder),
            text(group.label),
            text(shown(value)),
            text(run.seed),
            text(run.provenance["harmofl"]["git_commit"]),
        ]
        for value, group, run in against.runs
    ]
    return html.table("Runs", ["run", "method", against.key, "seed", "harmofl"], rows, words=True)


def sections(against: Against) -> tuple[list[tuple[str, str]], list[Plot]]:
    """Headings and HTML, and the plots in them."""
    plots: list[Plot] = []

    def drawn_in(found: list[Plot | Missing]) -> str:
        plots.extend(plot for plot in found if isinstance(plot, Plot))
        return "".join(html.figure(plot) for plot in found)

    frame = relations.frame_of(against)
    left = "".join(f"<p>Left out: {text(run.folder)} has not ended.</p>" for run in against.unfinished)
    found = [
        (
            f"Scores against {against.key}",
            left + score_tables(against) + drawn_in(drawn.scores_plot(against)),
        ),
        (
            f"Differences from {against.baseline}",
            drawn_in(drawn.differences_plot(against)) + compared(against),
        ),
        ("Measured shift", drawn_in(drawn.shift_plot(against))),
        (
            "Flatness and drift",
            relations.ratio_table(against, frame)
            + relations.table(against, frame)
            + drawn_in(relations.plots(against, frame)),
        ),
        ("Runs", sources(against)),
    ]
    return found, plots


def write(against: Against, title: str, output: pathlib.Path, figures: pathlib.Path | None) -> None:
    """The page, and with `figures` each plot as a picture and a CSV in that folder."""
    page.write_parts(*sections(against), title, output, figures)
