# SPDX-License-Identifier: Apache-2.0
"""The kinds of files in a run folder: INI, JSON, lines of JSON, CSV."""

import configparser
import io
import json
import pathlib
import warnings
from typing import Any

import pandas

from harmofl_runs.errors import RunError, read_text

DAMAGED = "Restore the file from a copy, or resume the run with --resume."


def read_json(path: pathlib.Path, remedy: str) -> dict[str, Any]:
    """The object that a file of JSON holds."""
    text = read_text(path, remedy)
    try:
        value = json.loads(text)
    except ValueError as error:
        raise RunError(path, f"is no JSON ({error})", DAMAGED) from None
    if not isinstance(value, dict):
        raise RunError(path, f"holds {type(value).__name__}, not an object", DAMAGED)
    return value


def read_json_lines(path: pathlib.Path) -> list[dict[str, Any]]:
    """The objects of a file with one a line. A last line without its end, which a run that goes on or
    was killed may leave, is left out with a warning."""
    lines = read_text(path, "Give the folder of a run that has ended a round.").split("\n")
    if lines[-1]:
        warnings.warn(f"{path}: line {len(lines)} is not whole and is left out", stacklevel=2)
    found = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise RunError(path, f"line {number} is not an object of JSON: {line[:60]!r}", DAMAGED)
        found.append(value)
    return found


def ini_parser() -> configparser.ConfigParser:
    """What reads INI files as `harmofl` does: `#` begins a comment, and keys stay as they are."""
    parser = configparser.ConfigParser(
        delimiters=("=",),
        comment_prefixes=("#",),
        inline_comment_prefixes=("#",),
        interpolation=None,
        default_section="",
    )
    parser.optionxform = str
    return parser


def read_ini(path: pathlib.Path) -> dict[str, str]:
    """The keys of a config.ini as `section.key`, with their values as text."""
    parser = ini_parser()
    text = read_text(path, "Give the folder of a run, which holds a config.ini.")
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise RunError(path, f"is not an INI file ({error.message.splitlines()[0]})", DAMAGED) from None
    return {
        f"{section}.{key}": value for section in parser.sections() for key, value in parser[section].items()
    }


def read_csv(path: pathlib.Path, names: tuple[str, ...], remedy: str) -> pandas.DataFrame:
    """A table whose columns `names` are text as it stands (a site may be called NA) and whose others are
    numbers, to the bit, or text where they are none."""
    text = read_text(path, remedy)
    try:
        table = pandas.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    except ValueError as error:
        raise RunError(path, f"is no CSV ({str(error).strip()})", DAMAGED) from None
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise RunError(path, f"has no column '{missing[0]}', but {', '.join(table.columns)}", DAMAGED)
    for column in table.columns.difference(names):
        try:
            table[column] = [float(value) if value else float("nan") for value in table[column]]
        except ValueError:
            pass  # a column of text, as a classifier's `predicted`
    return table
