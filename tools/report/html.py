# SPDX-License-Identifier: Apache-2.0
"""Pieces of the page."""

import base64
import html
import re
from collections.abc import Sequence

from report import style
from report.plots import Missing, Plot

CSS = f"""
:root {{ color-scheme: light; }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; padding: 1rem; max-width: 80rem; color: {style.INK}; background: {style.PAPER};
  font: 1rem/1.5 system-ui, "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }}
h1 {{ font-size: 1.6rem; }} h2 {{ font-size: 1.25rem; margin-top: 2.5rem; }}
a {{ color: {style.LINK}; }}
nav ul {{ display: flex; flex-wrap: wrap; gap: .25rem 1rem; padding: 0; list-style: none; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal; }}
th, td {{ padding: .25rem .6rem; border-bottom: 1px solid #c8c8c8; text-align: right; white-space: nowrap; }}
th:first-child, td.text {{ text-align: left; }}
td.sentence {{ min-width: 15rem; text-align: left; white-space: normal; }}
thead th {{ border-bottom: 2px solid {style.INK}; }}
figure {{ margin: 1.5rem 0; }} figure img {{ max-width: 100%; min-width: 34rem; height: auto; }}
figcaption {{ font-weight: 600; }}
.quiet {{ color: {style.QUIET}; }}
"""


def text(value: object) -> str:
    """Text as it is shown."""
    return html.escape(str(value))


def sentence(value: str) -> str:
    """Text in which `commands` stand between backticks."""
    return re.sub("`([^`]*)`", r"<code>\1</code>", text(value))


def strong(value: object) -> str:
    return f"<strong>{text(value)}</strong>"


def data_link(content: bytes, kind: str) -> str:
    """A file within the page."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def table(
    caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], words: bool = False, said: bool = False
) -> str:
    """A table that scrolls by itself where it is too wide. Cells are HTML; the first is the row's head, the
    others are numbers, or `words`; the last may be `said`, a sentence that takes several lines."""
    kinds = [' class="text"' if words else ""] * (len(heads) - 1)
    if said:
        kinds[-1] = ' class="sentence"'
    lines = [f"<th scope='col'>{text(head)}</th>" for head in heads]
    body = [
        f"<tr><th scope='row'>{row[0]}</th>"
        + "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, row[1:], strict=True))
        + "</tr>"
        for row in rows
    ]
    return (
        f'<p class="quiet">{text(caption)}</p>'
        f'<div class="wide" tabindex="0" role="region" aria-label="{text(caption)}"><table>'
        f"<thead><tr>{''.join(lines)}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def figure(plot: Plot | Missing) -> str:
    """A plot with its files, or what would give it."""
    if isinstance(plot, Missing):
        return f'<p class="quiet">{text(plot.title)}: not available. {sentence(plot.remedy)}</p>'
    kind = "image/svg+xml" if plot.kind == "svg" else "image/png"
    picture = data_link(plot.picture, kind)
    numbers = data_link(plot.frame.to_csv(index=False).encode(), "text/csv")
    return (
        f"<figure><figcaption>{text(plot.title)}</figcaption>"
        f'<div class="wide" tabindex="0" role="region" aria-label="{text(plot.title)}">'
        f'<img src="{picture}" alt="{text(plot.alt)}"></div>'
        f'<div>Files: <a download="{plot.name}.{plot.kind}" href="{picture}">{plot.name}.{plot.kind}</a>, '
        f'<a download="{plot.name}.csv" href="{numbers}">{plot.name}.csv</a></div></figure>'
    )


def page(title: str, sections: Sequence[tuple[str, str]]) -> str:
    """The whole page; a section is its heading and its HTML."""
    links = "".join(f'<li><a href="#s{i}">{text(head)}</a></li>' for i, (head, _) in enumerate(sections))
    parts = "".join(
        f'<section id="s{i}" aria-labelledby="h{i}"><h2 id="h{i}">{text(head)}</h2>{body}</section>\n'
        for i, (head, body) in enumerate(sections)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # No request leaves the page, and no script runs in it.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f'<link rel="icon" href="data:,"><title>{text(title)}</title><style>{CSS}</style></head>\n'
        f'<body><header><h1>{text(title)}</h1><nav aria-label="Sections"><ul>{links}</ul></nav></header>\n'
        f"<main>\n{parts}</main></body></html>\n"
    )
