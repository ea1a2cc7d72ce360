# SPDX-License-Identifier: Apache-2.0
"""The differences of two methods, seed by seed and case by case."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy


@dataclass(frozen=True)
class Differences:
    """Score of one method minus score of another, for the same seeds and the same test cases.

    Every site counts alike, and within a site every case. Cases of one patient are no independent
    evidence: they share a unit, and units are what is flipped and resampled."""

    values: numpy.ndarray
    """Differences [seeds, cases]."""
    sites: numpy.ndarray
    """Number of the site of each case, from 0 [cases]."""
    units: numpy.ndarray
    """Number of the unit (patient, or the case itself) of each case, from 0; a unit has one site [cases]."""

    @staticmethod
    def of(
        values: numpy.ndarray, sites: Sequence[object], patients: Sequence[str] | None = None
    ) -> "Differences":
        """From names of sites and patients; a case without a patient ("") is a unit of its own."""
        values = numpy.asarray(values, dtype=float)
        if values.ndim != 2 or 0 in values.shape or values.shape[1] != len(sites):
            raise ValueError(f"differences are {values.shape}, not seeds x {len(sites)} cases")
        if not numpy.isfinite(values).all():
            raise ValueError("a difference is not finite; leave such cases out of all seeds and methods")
        patients = patients or [""] * len(sites)
        names = [(str(s), p, -1 if p else k) for k, (s, p) in enumerate(zip(sites, patients))]
        return Differences(
            values,
            numpy.unique([str(site) for site in sites], return_inverse=True)[1],
            numpy.array([sorted(set(names)).index(name) for name in names]),
        )

    @property
    def weights(self) -> numpy.ndarray:
        """1 / (sites x cases of the site), for each case."""
        counts = numpy.bincount(self.sites)
        return 1 / (len(counts) * counts[self.sites])

    def of_site(self, number: int) -> "Differences":
        """Those of one site alone."""
        cases = self.sites == number
        units = numpy.unique(self.units[cases], return_inverse=True)[1]
        return Differences(self.values[:, cases], numpy.zeros(len(units), dtype=int), units)

    def by_seed(self) -> numpy.ndarray:
        """The mean over sites of the means over cases, for each seed."""
        return self.values @ self.weights

    def by_unit(self) -> numpy.ndarray:
        """What each unit adds to the mean over seeds and sites; they sum to it."""
        return numpy.bincount(self.units, self.values.mean(axis=0) * self.weights)

    def mean(self) -> float:
        """The mean difference."""
        return float(self.by_seed().mean())
