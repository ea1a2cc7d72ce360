# SPDX-License-Identifier: Apache-2.0
"""How many seeds a claim needs."""

import bisect

from scipy import stats

from report.paired.permutation import least_p

MOST = 1000  # seeds; more are "not with seeds"
CERTAIN = 1e6  # noncentrality above which scipy's distribution may be NaN; the power is 1 long before


def power(seeds: int, effect: float, alpha: float) -> float:
    """How often Student's paired test of `seeds` differences rejects at `alpha`, two-sided, where their mean
    is `effect` standard deviations (t^2 has the noncentral F distribution)."""
    bound = stats.f.ppf(1 - alpha, 1, seeds - 1)
    return float(stats.ncf.sf(bound, 1, seeds - 1, min(seeds * effect**2, CERTAIN)))


def needed(mean: float, deviation: float, alpha: float, wanted: float = 0.8) -> int | None:
    """The fewest seeds with which a difference like this one is found at `alpha` with probability `wanted`.

    Two things ask for seeds: flipping n signs can give no p-value below 2^(1 - n), and the power of the test,
    which is taken from Student's. None where MOST would not do, or the difference is 0."""
    if mean == 0:
        return None

    def enough(seeds: int) -> bool:
        strong = deviation == 0 or power(seeds, mean / deviation, alpha) >= wanted
        return strong and least_p(seeds) <= alpha

    most = 2
    while most < MOST and not enough(most):
        most = min(2 * most, MOST)
    # Both conditions grow with the seeds.
    found = 2 + bisect.bisect_left(range(2, most + 1), True, key=enough)
    return found if found <= most else None
