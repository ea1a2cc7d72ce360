# SPDX-License-Identifier: Apache-2.0
"""Holm's correction for several comparisons."""

from collections.abc import Sequence

import numpy


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: in ascending order the i-th of m (from 0) times m - i, never below the one before,
    at most 1. Rejecting those up to alpha errs in any of them with probability alpha at most (Holm 1979)."""
    order = numpy.argsort(p_values, kind="stable")
    steps = numpy.asarray(p_values, dtype=float)[order] * (len(order) - numpy.arange(len(order)))
    adjusted = numpy.empty(len(order))
    adjusted[order] = numpy.minimum(1.0, numpy.maximum.accumulate(steps))
    return [float(value) for value in adjusted]
