# SPDX-License-Identifier: Apache-2.0
"""Points of a space. Of any number of points the first ones are the same, for all methods."""

import itertools
import math
from collections.abc import Iterator

import numpy
from tune.space import Dimension

SAMPLERS = ("sobol", "random", "grid")
FIRST_BLOCK = 64


def unit_points(sampler: str, count: int, width: int, seed: int) -> numpy.ndarray:
    """[count, width] in [0, 1): Sobol's sequence, scrambled (Owen 1998, by scipy), or uniform draws. Both
    depend on `width` and `seed` alone; more points only add rows."""
    draw = numpy.random.default_rng(seed)
    if sampler == "random":
        return draw.random((count, width))
    from scipy.stats import qmc  # takes a second to load, which only planning needs

    blocks = max(0, (count - 1).bit_length())  # a power of two, for which the sequence is balanced
    return qmc.Sobol(width, scramble=True, rng=draw).random_base2(blocks)[:count]


def size_of(dimensions: list[Dimension]) -> float:
    """How many different trials there are."""
    return math.prod(dimension.count() for dimension in dimensions)


def sampled(sampler: str, dimensions: list[Dimension], width: int, seed: int) -> Iterator[dict[str, str]]:
    """The trials of a method in their order, none twice, until the space has no further one. The first
    columns of the points are the method's; `width` is that of the whole space."""
    seen: set[tuple[str, ...]] = set()
    size, done, count = size_of(dimensions), 0, FIRST_BLOCK
    while len(seen) < size:
        points = unit_points(sampler, count, max(width, 1), seed)
        for row in points[done:]:
            values = tuple(dimension.value(u) for dimension, u in zip(dimensions, row.tolist()))
            if values in seen:
                continue
            seen.add(values)
            yield {dimension.key: value for dimension, value in zip(dimensions, values)}
        done, count = count, 2 * count


def grid(dimensions: list[Dimension], levels: int) -> list[dict[str, str]]:
    """All combinations of `levels` values of each range and all values of each choice."""
    keys = [dimension.key for dimension in dimensions]
    axes = [list(dict.fromkeys(dimension.levels(levels))) for dimension in dimensions]
    return [dict(zip(keys, values)) for values in itertools.product(*axes)]


def corners(dimensions: list[Dimension]) -> list[dict[str, str]]:
    """Few trials that hold both ends of every range and every choice."""
    rows = max([2, *(len(dimension.choices) for dimension in dimensions)])
    return [
        {
            one.key: one.choices[row % len(one.choices)] if one.choices else one.value(row % 2)
            for one in dimensions
        }
        for row in range(rows)
    ]
