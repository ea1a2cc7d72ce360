# SPDX-License-Identifier: Apache-2.0
"""What is tried: keys with ranges.

    [all]
    train.lr = log-uniform 1e-4..1e-1
    train.local_epochs = choice 1, 2
    [fedprox]
    algorithm.mu = log-uniform 1e-3..1

A section of a method has keys of its own, and ranges that take the place of those in [all].
"""

import configparser
import math
import pathlib
from dataclasses import dataclass, field

from harmofl_runs import RunError
from harmofl_runs.errors import read_text
from harmofl_runs.files import ini_parser
from tune.errors import TuneError

SHARED = "all"
KINDS = "`uniform A..B`, `log-uniform A..B`, `integer A..B` or `choice A, B, ...`"
# Keys that say what is compared, or how it is computed and kept.
FIXED_SECTIONS = ("run", "comm", "device", "personalize")
FIXED_KEYS = ("algorithm.name", "data.shards", "data.hold_out", "data.evaluate")


def text_of(number: float) -> str:
    """Six digits: a value that people can read and that is the same text on every machine."""
    return f"{number:.6g}"


@dataclass(frozen=True)
class Dimension:
    """A key and its values; `low` and `high` of a range, or the `choices`."""

    key: str
    kind: str
    low: float = 0.0
    high: float = 0.0
    choices: tuple[str, ...] = ()

    def value(self, u: float) -> str:
        """The value at `u` in [0, 1]: 0 is `low` or the first choice, 1 is `high` or the last."""
        if self.kind == "choice":
            return self.choices[min(int(u * len(self.choices)), len(self.choices) - 1)]
        if self.kind == "integer":
            return str(int(min(self.low + math.floor(u * (self.high - self.low + 1)), self.high)))
        if self.kind == "uniform":
            return text_of(self.low + u * (self.high - self.low))
        return text_of(math.exp(math.log(self.low) + u * (math.log(self.high) - math.log(self.low))))

    def count(self) -> float:
        """How many values there are; infinity of a range of numbers."""
        if self.kind == "choice":
            return len(self.choices)
        if self.kind == "integer":
            return self.high - self.low + 1
        return math.inf

    def levels(self, count: int) -> list[str]:
        """`count` values with both ends, evenly spaced; all of a choice, and of few integers."""
        if self.count() <= count or self.kind == "choice":
            return [self.value((i + 0.5) / self.count()) for i in range(int(self.count()))]
        ends = max(count - 1, 1)
        if self.kind == "integer":
            return [str(round(self.low + i * (self.high - self.low) / ends)) for i in range(count)]
        return [self.value(i / ends) for i in range(count)]

    def edge(self, value: str) -> str | None:
        """'lowest' or 'highest' where a value lies in the outer tenth of a range, or at the end of more
        than two integers; None of a choice."""
        if self.kind == "choice":
            return None
        if self.kind == "integer":
            ends = {self.low: "lowest", self.high: "highest"} if self.count() > 2 else {}
            return ends.get(int(value))
        place = math.log if self.kind == "log-uniform" else float
        share = (place(float(value)) - place(self.low)) / (place(self.high) - place(self.low))
        return "lowest" if share <= 0.1 else "highest" if share >= 0.9 else None

    def __str__(self) -> str:
        if self.kind == "choice":
            between = " | " if any("," in choice for choice in self.choices) else ", "
            return f"choice {between.join(self.choices)}"
        low, high = (repr(number).removesuffix(".0") for number in (self.low, self.high))
        return f"{self.kind} {low}..{high}"


@dataclass(frozen=True)
class Space:
    """The dimensions of all methods, and those of single methods."""

    shared: tuple[Dimension, ...] = ()
    own: dict[str, tuple[Dimension, ...]] = field(default_factory=dict)

    def of(self, method: str) -> list[Dimension]:
        """The dimensions of a method: the shared ones in their order, with the method's own range where it
        has one, then its further ones."""
        own = {dimension.key: dimension for dimension in self.own.get(method, ())}
        shared = [own.pop(dimension.key, dimension) for dimension in self.shared]
        return shared + list(own.values())

    @property
    def width(self) -> int:
        """The most dimensions that a method has."""
        return max(len(self.of(method)) for method in (SHARED, *self.own))

    def to_json(self) -> dict[str, dict[str, str]]:
        """The space as the file that it was read from has it."""
        tables = {SHARED: self.shared, **self.own}
        return {name: {one.key: str(one) for one in table} for name, table in tables.items()}

    @staticmethod
    def of_json(tables: dict[str, dict[str, str]], where: str) -> "Space":
        """The inverse of `to_json`; `where` begins the errors."""
        found = {
            name: tuple(parse_dimension(key, text, f"{where}, [{name}]") for key, text in table.items())
            for name, table in tables.items()
        }
        return Space(found.pop(SHARED, ()), found)


def number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise TuneError(f"{where}: {text.strip()!r} is not a number. Give {KINDS}.")
    return value


def parse_dimension(key: str, text: str, where: str) -> Dimension:
    """The dimension that a line `KEY = TEXT` gives; `where` begins the errors."""
    where = f"{where}: {key} = {text}"
    if key in FIXED_KEYS or key.split(".")[0] in FIXED_SECTIONS:
        raise TuneError(f"{where}: this key is the same in all trials. Set it in --config, or after `--`.")
    kind, _, rest = text.strip().partition(" ")
    if kind == "choice":
        choices = tuple(part.strip() for part in rest.split("|" if "|" in rest else ","))
        if "" in choices or len(set(choices)) < len(choices):
            raise TuneError(f"{where}: a choice is empty or comes twice. Give `choice A, B, ...`.")
        return Dimension(key, kind, choices=choices)
    low_text, dots, high_text = rest.partition("..")
    if kind not in ("uniform", "log-uniform", "integer") or not dots:
        raise TuneError(f"{where}: is not a range or a choice. Give {KINDS}.")
    low, high = number(low_text, where), number(high_text, where)
    if not low < high:
        raise TuneError(f"{where}: the first number is not below the second. Exchange them.")
    if kind == "log-uniform" and low <= 0:
        raise TuneError(f"{where}: a logarithm needs numbers above 0. Raise the first, or give `uniform`.")
    if kind == "integer" and not (low.is_integer() and high.is_integer()):
        raise TuneError(f"{where}: is not a range of integers. Give whole numbers, or `uniform`.")
    return Dimension(key, kind, low, high)


def read_space(path: str | pathlib.Path) -> Space:
    """Reads a file as this module shows it."""
    parser = ini_parser()
    try:
        parser.read_string(read_text(pathlib.Path(path), "Give the file of the space."))
    except RunError as error:
        raise TuneError(str(error)) from None
    except configparser.Error as error:
        raise TuneError(f"{path}: is not an INI file ({error.message.splitlines()[0]}).") from None
    tables = {name: dict(parser[name]) for name in parser.sections()}
    if not any(tables.values()):
        raise TuneError(
            f"{path}: gives no key. Write [{SHARED}], and below it `train.lr = log-uniform 1e-4..1e-1`."
        )
    return Space.of_json(tables, str(path))
