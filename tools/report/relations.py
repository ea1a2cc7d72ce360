# SPDX-License-Identifier: Apache-2.0
"""Do flatter minima, and models that drift less, do better? Correlations over runs of one setting."""

import math
from dataclasses import dataclass

import numpy
import pandas
from scipy import stats

DRAWS, SEED = 2000, 2022


@dataclass(frozen=True)
class Relation:
    """A rank correlation within settings, and its 95 % interval."""

    rho: float
    interval: tuple[float, float]
    runs: int
    settings: int


@dataclass(frozen=True)
class Ratio:
    """How many times a quantity is that of the baseline, and its 95 % interval."""

    factor: float
    interval: tuple[float, float]
    seeds: int


def ratio(frame: pandas.DataFrame, log: str, key: str, pair: tuple[str, str]) -> Ratio | None:
    """A method over the baseline (`pair`), from a column of base-10 logarithms: a seed's is the geometric
    mean over the settings in which both are measured, the interval Student's over seeds (their logarithms;
    none with fewer than two). None where nothing is measured of both."""
    table = frame.pivot(index=[key, "seed"], columns="method", values=log)
    if any(name not in table for name in pair):
        return None
    of_seeds = (table[pair[0]] - table[pair[1]]).dropna().groupby(level="seed").mean().to_numpy()
    if len(of_seeds) == 0:
        return None
    mean, low, high = of_seeds.mean(), math.nan, math.nan
    if len(of_seeds) > 1:
        half = stats.t.ppf(0.975, len(of_seeds) - 1) * of_seeds.std(ddof=1) / math.sqrt(len(of_seeds))
        low, high = 10 ** (mean - half), 10 ** (mean + half)
    return Ratio(10**mean, (low, high), len(of_seeds))


def within(frame: pandas.DataFrame, column: str, settings: list[str]) -> numpy.ndarray:
    """Values minus the mean of their setting, which is what settings alone explain."""
    return (frame[column] - frame.groupby(settings)[column].transform("mean")).to_numpy()


def rank_correlation(x: numpy.ndarray, y: numpy.ndarray) -> float:
    """Spearman's; NaN where one does not vary."""
    if len(x) < 3 or numpy.ptp(x) == 0 or numpy.ptp(y) == 0:
        return math.nan
    return float(stats.spearmanr(x, y).statistic)


def relate(
    frame: pandas.DataFrame, x: str, y: str, settings: list[str], cluster: str = "seed"
) -> Relation | None:
    """The correlation of two columns within settings; clusters are drawn for the interval (percentiles),
    since runs of one seed share data and initial weights. None with fewer than three runs; no interval with
    fewer than three clusters."""
    frame = frame[numpy.isfinite(frame[x]) & numpy.isfinite(frame[y])]
    frame = frame[frame.groupby(settings)[x].transform("size") > 1]
    if len(frame) < 3:
        return None
    a, b = within(frame, x, settings), within(frame, y, settings)
    names, member = numpy.unique(frame[cluster].to_numpy(), return_inverse=True)
    low = high = math.nan
    if len(names) > 2:
        generator = numpy.random.default_rng(SEED)
        found = []
        for _ in range(DRAWS):
            drawn = generator.integers(len(names), size=len(names))
            rows = numpy.concatenate([numpy.flatnonzero(member == one) for one in drawn])
            found.append(rank_correlation(a[rows], b[rows]))
        low, high = (float(one) for one in numpy.nanpercentile(found, [2.5, 97.5]))
    return Relation(rank_correlation(a, b), (low, high), len(frame), frame.groupby(settings).ngroups)
