#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/report/paired/ on cases with known answers, and how often it errs on simulated nulls.

How often it errs is a count of SIMULATIONS draws of a seed written here before the first of them was looked
at; `report_paired_test.py rates` prints all that docs/guides/comparing.md holds.
"""

import fractions
import itertools
import math
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))

try:
    import numpy
    from scipy import stats
except ImportError as missing:  # set up without tools/install-deps.sh
    print(f"skipped: {missing} (tools/install-deps.sh installs it)")
    sys.exit(77)

from report.paired import Differences, compare
from report.paired import bootstrap, permutation, seeds
from report.paired.holm import holm

SIMULATIONS = 1000
SEED = 17
SITES = ("a",) * 6 + ("b",) * 4 + ("c",) * 5
# Standard deviations of what seeds, seeds at a site, cases, and seeds at a case add to a difference.
NULLS = {
    "seeds differ": (1.0, 0.5, 0.0, 0.3),
    "cases differ": (0.05, 0.05, 1.0, 0.3),
    "both alike": (0.4, 0.0, 0.63, 0.1),
    "all of it": (0.5, 0.5, 0.5, 0.5),
}


def rng():
    return numpy.random.default_rng(1)


def null(generator, count, deviations):
    """Differences of `count` seeds between two methods that are alike."""
    seed, site, case, rest = deviations
    numbers = numpy.unique(SITES, return_inverse=True)[1]
    values = seed * generator.normal(size=(count, 1)) + case * generator.normal(size=len(SITES))
    values = values + site * generator.normal(size=(count, 3))[:, numbers]
    return Differences.of(values + rest * generator.normal(size=(count, len(SITES))), SITES)


class Estimate(unittest.TestCase):
    VALUES = [[1.0, 3.0, 10.0], [2.0, 4.0, 20.0]]

    def test_sites_count_alike(self):
        found = Differences.of(self.VALUES, ["a", "a", "b"])
        self.assertEqual(list(found.by_seed()), [(2 + 10) / 2, (3 + 20) / 2])
        self.assertEqual(found.mean(), 8.75)

    def test_units_sum_to_the_mean(self):
        found = Differences.of(self.VALUES, ["a", "a", "b"])
        self.assertEqual(list(found.by_unit()), [1.5 / 4, 3.5 / 4, 15 / 2])

    def test_cases_of_a_patient_are_one_unit_and_patients_of_two_sites_are_two(self):
        found = Differences.of(numpy.ones((2, 6)), list("aaabbb"), ["p", "p", "", "p", "", ""])
        self.assertEqual(len(set(found.units[:2])), 1)
        self.assertEqual(len(set(found.units)), 5)

    def test_what_cannot_be_compared(self):
        for values in ([[1.0, math.nan]], [[1.0]], numpy.ones((0, 2))):
            with self.assertRaises(ValueError):
                Differences.of(values, ["a", "b"])


class Permutation(unittest.TestCase):
    def test_every_sign_once(self):
        rows = {tuple(row) for row in permutation.all_signs(4)}
        self.assertEqual(rows, set(itertools.product([1.0, -1.0], repeat=4)))

    def test_exact_by_hand(self):
        # |+-1 +-2 +-3| >= 6 for 2 of 8; >= 4 for +-(2+3-1) as well; |1+2-3| = 0 for all.
        self.assertEqual(permutation.sign_flip([1.0, 2.0, 3.0], rng()), 2 / 8)
        self.assertEqual(permutation.sign_flip([-1.0, 2.0, 3.0], rng()), 4 / 8)
        self.assertEqual(permutation.sign_flip([1.0, 2.0, -3.0], rng()), 1)
        self.assertEqual(permutation.sign_flip([0.0, 0.0], rng()), 1)

    def test_sums_that_are_equal_but_for_rounding_count(self):
        # .1 + .2 - .3 is not 0 in float64; exactly, |sum| of +-.1 +-.2 +-.3 +-.6 as fractions of 10.
        terms = [0.1, 0.2, 0.3, -0.6, 0.6]
        exact = [fractions.Fraction(round(10 * term), 10) for term in terms]
        reached = abs(sum(exact))
        counts = [
            abs(sum(sign * term for sign, term in zip(signs, exact))) >= reached
            for signs in itertools.product([1, -1], repeat=5)
        ]
        self.assertEqual(permutation.sign_flip(terms, rng()), sum(counts) / 32)

    def test_as_scipy_has_it(self):
        draws = numpy.random.default_rng(3)
        for count in (3, 5, 8, 11):
            terms = draws.normal(0.4, size=count)
            theirs = stats.permutation_test(
                (terms,), numpy.sum, permutation_type="samples", n_resamples=numpy.inf
            )
            self.assertAlmostEqual(permutation.sign_flip(terms, rng()), theirs.pvalue, places=14)

    def test_drawn_signs_give_what_all_would(self):
        # 2^18 signs are too many to be tried by sign_flip, and few enough to be tried here.
        terms = numpy.random.default_rng(4).normal(0.3, size=18)
        exact = numpy.mean(numpy.abs(permutation.all_signs(18) @ terms) >= abs(terms.sum()) - 1e-9)
        count = round(permutation.sign_flip(terms, rng()) * (permutation.DRAWS + 1)) - 1
        self.assertGreater(stats.binomtest(count, permutation.DRAWS, exact).pvalue, 1e-4)

    def test_no_fewer_seeds_can_be_significant(self):
        self.assertEqual([permutation.least_p(n) for n in (1, 3, 5, 6)], [1, 1 / 4, 1 / 16, 1 / 32])
        self.assertEqual(permutation.sign_flip([5.0] * 5, rng()), permutation.least_p(5))


class Bootstrap(unittest.TestCase):
    def test_variance_of_seeds_alone_is_unbiased(self):
        by_seed = numpy.array([0.0, 1.0, 5.0])
        found = Differences.of(by_seed[:, None] * numpy.ones(15), SITES)
        drawn = bootstrap.means(found, rng(), rows=40000)
        # The variance of a variance of R draws is about (kurtosis - 1) / R of its square; 5 deviations.
        error = 5 * math.sqrt((stats.kurtosis(drawn, fisher=False) - 1) / 40000)
        self.assertAlmostEqual(drawn.var() / (by_seed.var(ddof=1) / 3), 1, delta=error)
        self.assertAlmostEqual(drawn.mean(), 2, delta=5 * drawn.std() / 200)

    def test_variance_of_cases_alone_is_unbiased(self):
        cases = numpy.random.default_rng(5).normal(size=15)
        drawn = bootstrap.means(Differences.of(numpy.tile(cases, (3, 1)), SITES), rng(), rows=40000)
        numbers = numpy.array(SITES)
        groups = [cases[numbers == site] for site in "abc"]
        expected = sum(group.var(ddof=1) / len(group) for group in groups) / 9
        error = 5 * math.sqrt((stats.kurtosis(drawn, fisher=False) - 1) / 40000)
        self.assertAlmostEqual(drawn.var() / expected, 1, delta=error)

    def test_interval_of_seeds_alone_is_students(self):
        by_seed = numpy.array([0.1, 0.3, 0.2, 0.6])
        found = Differences.of(by_seed[:, None] * numpy.ones(15), SITES)
        low, high = bootstrap.interval(found, bootstrap.spread(found, rng(), rows=40000))
        wanted = stats.t.interval(0.95, 3, by_seed.mean(), by_seed.std(ddof=1) / 2)
        self.assertAlmostEqual((high - low) / (wanted[1] - wanted[0]), 1, delta=0.02)
        self.assertAlmostEqual((low + high) / 2, 0.3)

    def test_cases_of_a_patient_come_together(self):
        """Two patients of a site with equal cases: the variance is that of two values, not of four."""
        values = numpy.tile([0.0, 0.0, 1.0, 1.0], (2, 1))
        patients = ["p", "p", "q", "q"]
        drawn = bootstrap.means(Differences.of(values, ["a"] * 4, patients), rng(), rows=4000)
        self.assertEqual(set(drawn), {0.0, 1.0})

    def test_one_seed_speaks_of_its_cases(self):
        found = Differences.of([[0.1, 0.2, 0.3]], ["a", "a", "a"])
        low, high = bootstrap.interval(found, bootstrap.spread(found, rng()))
        self.assertLess(low, 0.2)
        self.assertGreater(high, 0.2)
        self.assertTrue(math.isnan(bootstrap.spread(Differences.of([[0.1]], ["a"]), rng())))

    def test_p_value_is_that_of_the_interval_that_reaches_0(self):
        found = null(rng(), 5, NULLS["all of it"])
        deviation = bootstrap.spread(found, rng())
        low, high = bootstrap.interval(found, deviation, 1 - bootstrap.p_value(found, deviation))
        self.assertAlmostEqual(min(abs(low), abs(high)), 0)


class Holm(unittest.TestCase):
    def test_by_hand(self):
        # 4 x .005; 3 x .01; 2 x .03; .04 -> not below .06.
        for found, wanted in zip(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02]):
            self.assertAlmostEqual(found, wanted)
        self.assertEqual(holm([0.5, 0.9]), [1.0, 1.0])
        self.assertEqual(holm([]), [])

    def test_rejects_what_the_steps_reject(self):
        """As the definition: going up, the first with p_i > alpha / (m - i) and all after it stay."""
        draws = numpy.random.default_rng(6)
        for _ in range(200):
            values = draws.uniform(0, 0.1, size=draws.integers(1, 7))
            rejected = set()
            for step, index in enumerate(numpy.argsort(values)):
                if values[index] > 0.05 / (len(values) - step):
                    break
                rejected.add(index)
            self.assertEqual({i for i, p in enumerate(holm(values)) if p <= 0.05}, rejected)


class Seeds(unittest.TestCase):
    def test_known_sample_sizes(self):
        # Cohen 1988, paired two-sided t at .05 with power .8: d = .2, .5, .8 need 199, 34, 15.
        for effect, wanted in ((0.2, 199), (0.5, 34), (0.8, 15)):
            self.assertEqual(seeds.needed(effect, 1.0, 0.05), wanted)
            self.assertEqual(seeds.needed(-effect, 1.0, 0.05), wanted)

    def test_power_by_simulation(self):
        draws = numpy.random.default_rng(7).normal(0.9, size=(4000, 10))
        count = int((stats.ttest_1samp(draws, 0, axis=1).pvalue <= 0.05).sum())
        self.assertGreater(stats.binomtest(count, 4000, seeds.power(10, 0.9, 0.05)).pvalue, 1e-4)

    def test_signs_ask_for_seeds_however_large_the_difference(self):
        self.assertEqual(seeds.needed(1.0, 0.0, 0.05), 6)  # 2^-5 <= .05 < 2^-4
        for deviation in (1e-6, 1e-17):
            self.assertEqual(seeds.needed(1.0, deviation, 0.05 / 3), 7)  # 2^-6 <= .0167 < 2^-5

    def test_no_difference_needs_no_seeds(self):
        self.assertIsNone(seeds.needed(0.0, 1.0, 0.05))
        self.assertIsNone(seeds.needed(0.001, 1.0, 0.05))


class Compare(unittest.TestCase):
    def test_both_questions_must_be_answered(self):
        ones = numpy.ones((8, 15))
        sure = Differences.of(ones, SITES)
        few = Differences.of(ones[:3], SITES)
        # Eight seeds agree, but two of fifteen cases carry it: other cases need not.
        lone = numpy.zeros((8, 15))
        lone[:, 0] = 1.0
        found = compare({"sure": sure, "few": few, "lone": Differences.of(lone, SITES)})
        self.assertTrue(found["sure"].holds)
        self.assertAlmostEqual(found["sure"].p_seeds, 2 / 256)
        self.assertAlmostEqual(found["sure"].p_holm, 3 * 2 / 256)
        self.assertEqual((found["few"].p, found["few"].needed), (1 / 4, 7))
        self.assertEqual(found["lone"].p_cases, 1)
        self.assertFalse(found["lone"].holds)

    def test_one_seed_holds_nothing(self):
        found = compare({"one": Differences.of(numpy.ones((1, 15)), SITES)})["one"]
        self.assertTrue(math.isnan(found.p_seeds))
        self.assertEqual((found.p, found.needed), (1, None))

    def test_without_single_cases_the_seeds_decide(self):
        found = compare({"site": Differences.of(numpy.ones((6, 2)), ["a", "b"])}, cases=False)["site"]
        self.assertTrue(math.isnan(found.p_cases))
        self.assertEqual(found.p, 1 / 32)

    def test_the_same_numbers_every_time(self):
        found = null(rng(), 5, NULLS["all of it"])
        self.assertEqual(compare({"a": found}), compare({"a": found}))


def rates(count, deviations):
    """How often, of SIMULATIONS nulls, p over seeds, over cases, in total, the larger of the first two, and
    the largest of all were at most .05, and how often the interval held the true difference, 0."""
    generator = numpy.random.default_rng(SEED)
    hits = numpy.zeros(6, dtype=int)
    for _ in range(SIMULATIONS):
        found = null(generator, count, deviations)
        p_seeds = permutation.sign_flip(found.by_seed(), generator)
        p_cases = permutation.sign_flip(found.by_unit(), generator)
        deviation = bootstrap.spread(found, generator, rows=400)
        three = [p_seeds, p_cases, bootstrap.p_value(found, deviation)]
        low, high = bootstrap.interval(found, deviation)
        hits += [*(p <= 0.05 for p in three), max(three[:2]) <= 0.05, max(three) <= 0.05, low <= 0 <= high]
    return [int(value) for value in hits]


def family(count, methods):
    """How often any of several methods, all like the baseline, is said to differ."""
    generator = numpy.random.default_rng(SEED)
    hits = 0
    for _ in range(SIMULATIONS):
        base = null(generator, count, NULLS["seeds differ"]).values
        others = [null(generator, count, NULLS["seeds differ"]).values for _ in range(methods)]
        terms = [Differences.of(other - base, SITES) for other in others]
        largest = [
            max(
                permutation.sign_flip(found.by_seed(), generator),
                permutation.sign_flip(found.by_unit(), generator),
                bootstrap.p_value(found, bootstrap.spread(found, generator, rows=400)),
            )
            for found in terms
        ]
        hits += min(holm(largest)) <= 0.05
    return hits


def attainable(count):
    """The largest p-value up to .05 that `count` sign flips can have: the rate that seeds must show."""
    step = permutation.least_p(count)
    return math.floor(0.05 / step) * step


class Errors(unittest.TestCase):
    """False positives of nulls. Rates are held against theory, not against what came out."""

    def check(self, count, name):
        by_seeds, _, _, _, largest, inside = rates(count, NULLS[name])
        if NULLS[name][2] == 0:  # where cases differ for all seeds alike, seeds alone are no test
            exact = attainable(count)
            self.assertGreater(stats.binomtest(by_seeds, SIMULATIONS, exact).pvalue, 1e-4, by_seeds)
        self.assertGreater(stats.binomtest(largest, SIMULATIONS, 0.05, "greater").pvalue, 1e-4, largest)
        self.assertGreater(stats.binomtest(inside, SIMULATIONS, 0.95, "less").pvalue, 1e-4, inside)

    def test_six_seeds(self):
        for name in NULLS:
            with self.subTest(name):
                self.check(6, name)

    def test_five_seeds_are_never_enough(self):
        self.assertEqual(rates(5, NULLS["all of it"])[4], 0)

    def test_of_three_methods_any(self):
        self.assertGreater(stats.binomtest(family(8, 3), SIMULATIONS, 0.05, "greater").pvalue, 1e-4)


def print_rates():
    for name, deviations in NULLS.items():
        for count in (3, 6, 10):
            cells = []
            for hits in rates(count, deviations):
                low, high = stats.binomtest(hits, SIMULATIONS).proportion_ci(method="wilson")
                cells.append(f"{hits / SIMULATIONS:.3f} ({low:.3f} to {high:.3f})")
            print(f"| {name} | {count} | " + " | ".join(cells) + " |", flush=True)
    for count in (6, 8, 10):
        print(f"any of three methods, {count} seeds: {family(count, 3)} of {SIMULATIONS}", flush=True)


if __name__ == "__main__":
    print_rates() if sys.argv[1:] == ["rates"] else unittest.main()
