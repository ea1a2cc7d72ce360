# SPDX-License-Identifier: Apache-2.0
"""The plots of a report. Each module has `plots(study) -> list of Plot or Missing`."""

from dataclasses import dataclass

import pandas


@dataclass(frozen=True)
class Plot:
    """A picture, the numbers in it, and the words for those who do not see it."""

    name: str
    """Of its files, without ending."""
    title: str
    alt: str
    picture: bytes
    frame: pandas.DataFrame
    kind: str = "svg"


@dataclass(frozen=True)
class Missing:
    """A plot that the runs have nothing for; the text says what would give it."""

    title: str
    remedy: str


def first_with(group, name: str):
    """The first run of a group, by seed, that has a file; None without."""
    return next((run for _, run in sorted(group.runs.items()) if run.has(name)), None)
