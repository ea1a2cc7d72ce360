# SPDX-License-Identifier: Apache-2.0
"""Methods against one of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy

from report.paired import bootstrap, permutation, seeds
from report.paired.differences import Differences
from report.paired.holm import holm

ALPHA = 0.05
SEED = 2022  # of the draws: the same runs give the same numbers


@dataclass(frozen=True)
class Comparison:
    """A method minus the baseline."""

    mean: float
    """Mean difference."""
    interval: tuple[float, float]
    """95 % interval over seeds and cases; NaN where there is none."""
    seeds: int
    """Seeds that both have."""
    p_seeds: float
    """Would other seeds say the same? NaN with one seed."""
    p_cases: float
    """Would other cases of these sites, of these models? NaN without scores of single cases."""
    p_total: float
    """Would other seeds and other cases together? By the interval; NaN where there is none."""
    p: float
    """The largest of the three; 1 with one seed."""
    p_holm: float
    """p, corrected for all comparisons with the baseline."""
    needed: int | None
    """Seeds that the claim needs in all; None: seeds do not help."""

    @property
    def holds(self) -> bool:
        """Whether the difference is one beyond seeds, cases and the number of comparisons."""
        return self.p_holm <= ALPHA


def at_site(found: Differences, number: int) -> tuple[float, tuple[float, float]]:
    """Mean and 95 % interval of a site alone. No p-values: they would be as many as sites and methods."""
    of_site = found.of_site(number)
    deviation = bootstrap.spread(of_site, numpy.random.default_rng(SEED))
    return of_site.mean(), bootstrap.interval(of_site, deviation)


def one(found: Differences, cases: bool, comparisons: int) -> Comparison:
    """A comparison, not yet corrected; `cases` says whether the values are of single cases."""
    generator = numpy.random.default_rng(SEED)
    by_seed = found.by_seed()
    p_seeds = permutation.sign_flip(by_seed, generator) if len(by_seed) > 1 else float("nan")
    p_cases = permutation.sign_flip(found.by_unit(), generator) if cases else float("nan")
    deviation = bootstrap.spread(found, generator)
    p_total = bootstrap.p_value(found, deviation)
    p = 1.0 if numpy.isnan(p_seeds) else float(numpy.nanmax([p_seeds, p_cases, p_total]))
    wanted = None
    if len(by_seed) > 1:
        wanted = seeds.needed(found.mean(), float(by_seed.std(ddof=1)), ALPHA / comparisons)
    return Comparison(
        found.mean(),
        bootstrap.interval(found, deviation),
        len(by_seed),
        p_seeds,
        p_cases,
        p_total,
        p,
        p,
        wanted,
    )


def compare(differences: Mapping[str, Differences], cases: bool = True) -> dict[str, Comparison]:
    """Every method's differences from the baseline, with p-values corrected for their number."""
    found = {name: one(values, cases, len(differences)) for name, values in differences.items()}
    adjusted = holm([comparison.p for comparison in found.values()])
    return {
        name: Comparison(**{**vars(comparison), "p_holm": p})
        for (name, comparison), p in zip(found.items(), adjusted)
    }
