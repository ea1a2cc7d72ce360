# SPDX-License-Identifier: Apache-2.0
"""The table of scores in Markdown, for a terminal or a document."""

from report.study import Study
from report.tables import columns_of, spread


def table(study: Study) -> str:
    """A row a group, columns aligned, so that it reads as well as it is."""
    columns = {group.label: columns_of(study, group) for group in study.groups}
    heads = list(dict.fromkeys(head for of in columns.values() for head in of))
    rows = [
        [group.label, str(len(group.runs)), *(spread(columns[group.label].get(head, [])) for head in heads)]
        for group in study.groups
    ]
    lines = [[f"test {study.measure}", "seeds", *heads], *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]

    def row(cells: list[str]) -> str:
        padded = [cells[0].ljust(widths[0])] + [cell.rjust(w) for cell, w in zip(cells[1:], widths[1:])]
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2)] + ["-" * (w + 1) + ":" for w in widths[1:]]) + "|"
    return "\n".join([row(lines[0]), rule, *map(row, lines[1:])])
