# SPDX-License-Identifier: Apache-2.0
"""The paired permutation test: under the null hypothesis each difference is as likely with the other sign."""

import functools

import numpy

MOST_EXACT = 16  # terms of which all 2^n signs are tried
DRAWS = 9999  # signs that are drawn of more terms
ROUNDING = 1e-12  # sums that differ by this part of the sum of magnitudes are equal but for rounding


@functools.cache
def all_signs(count: int) -> numpy.ndarray:
    """Every choice of `count` signs, a row each."""
    bits = (numpy.arange(2**count)[:, None] >> numpy.arange(count)) & 1
    return 1.0 - 2.0 * bits


def sign_flip(terms: numpy.ndarray, generator: numpy.random.Generator) -> float:
    """Two-sided p-value of the sum of `terms`: the share of sign choices that lead as far from 0.

    Exact for up to MOST_EXACT terms. Otherwise (k + 1) / (DRAWS + 1), where k of the choices drawn do
    (Phipson and Smyth 2010), which is valid with any number of draws."""
    terms = numpy.asarray(terms, dtype=float)
    reached = abs(terms.sum()) - ROUNDING * numpy.abs(terms).sum()
    if len(terms) <= MOST_EXACT:
        return float(numpy.mean(numpy.abs(all_signs(len(terms)) @ terms) >= reached))
    signs = generator.choice([-1.0, 1.0], size=(DRAWS, len(terms)))
    return float((numpy.sum(numpy.abs(signs @ terms) >= reached) + 1) / (DRAWS + 1))


def least_p(count: int) -> float:
    """The smallest p-value that `count` differences can have, whatever they are: 2 of 2^count."""
    return min(1.0, 2.0 ** (1 - count))
