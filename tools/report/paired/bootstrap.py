# SPDX-License-Identifier: Apache-2.0
"""The hierarchical bootstrap: seeds are drawn, and within every site units of cases.

All seeds are measured on the same cases, so that one draw of cases holds for all seeds drawn. Of n things
n - 1 are drawn, with replacement: the variance of a mean is then the unbiased s^2 / n, where n draws would
give s^2 (n - 1) / n^2, two thirds of it for three seeds (McCarthy and Snowden 1985)."""

import numpy
from scipy import stats

from report.paired.differences import Differences

DRAWS = 2000


def draws(count: int, rows: int, generator: numpy.random.Generator) -> numpy.ndarray:
    """How often each of `count` things was drawn, a row a draw; one thing alone is always taken."""
    if count == 1:
        return numpy.ones((rows, 1))
    return generator.multinomial(count - 1, numpy.full(count, 1 / count), size=rows).astype(float)


def case_weights(found: Differences, rows: int, generator: numpy.random.Generator) -> numpy.ndarray:
    """Weights of the cases, a row a draw: each site counts alike, with the units that were drawn of it."""
    weights = numpy.zeros((rows, len(found.sites)))
    for site in range(found.sites.max() + 1):
        cases = numpy.flatnonzero(found.sites == site)
        units = numpy.unique(found.units[cases], return_inverse=True)[1]
        taken = draws(units.max() + 1, rows, generator)[:, units]
        weights[:, cases] = taken / taken.sum(axis=1, keepdims=True)
    return weights / (found.sites.max() + 1)


def means(found: Differences, generator: numpy.random.Generator, rows: int = DRAWS) -> numpy.ndarray:
    """The mean difference of each draw."""
    seeds = draws(len(found.values), rows, generator)
    seeds /= seeds.sum(axis=1, keepdims=True)
    return ((seeds @ found.values) * case_weights(found, rows, generator)).sum(axis=1)


def freedom(found: Differences) -> int:
    """Degrees of freedom of Student's distribution: those of the seeds, n - 1, since percentiles of so few
    would be far too narrow. Of one seed those of the units: what is said is of these models only."""
    seeds, sites = len(found.values), int(found.sites.max()) + 1
    return seeds - 1 if seeds > 1 else int(found.units.max()) + 1 - sites


def spread(found: Differences, generator: numpy.random.Generator, rows: int = DRAWS) -> float:
    """Standard deviation of the mean difference, over seeds and cases; NaN where nothing can be drawn."""
    return float(means(found, generator, rows).std(ddof=1)) if freedom(found) > 0 else float("nan")


def interval(found: Differences, deviation: float, level: float = 0.95) -> tuple[float, float]:
    """The mean difference -+ t s: s is `spread`, t Student's quantile; NaN where that is NaN."""
    width = stats.t.ppf((1 + level) / 2, freedom(found)) * deviation
    return found.mean() - float(width), found.mean() + float(width)


def p_value(found: Differences, deviation: float) -> float:
    """1 - the level at which the interval just reaches 0."""
    if deviation == 0:
        return 1.0 if found.mean() == 0 else 0.0
    return float(2 * stats.t.sf(abs(found.mean()) / deviation, freedom(found)))
