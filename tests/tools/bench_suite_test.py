# SPDX-License-Identifier: Apache-2.0
"""bench/suite: figures, lines and what is said of peers that are not there; nothing is measured.

By hand, from the root of the checkout: .deps/venv/bin/python tests/tools/bench_suite_test.py
"""

import dataclasses
import os
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
try:
    from suite import figures, growth, overhead, programs, rounds, step
except ModuleNotFoundError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)


class Figures(unittest.TestCase):
    """Rows and the table."""

    def test_a_ratio_is_ours_over_other_pair_by_pair(self):
        row = figures.figure("x", [2.0, 9.0, 4.0], [1.0, 3.0, 4.0], "<= 1", "s", "what")
        self.assertEqual((row["ours"], row["other"], row["ratio"]), (4.0, 3.0, 2.0))
        self.assertEqual((row["spread"], row["repeats"]), ([1.0, 3.0], 3))

    def test_a_speedup_is_above_1_where_ours_takes_less_time(self):
        row = figures.speedup("x", [2.0], [3.0], None, "what")
        self.assertEqual((row["ratio"], row["unit"]), (1.5, "s"))

    def test_the_table_has_a_line_a_row_and_says_why_a_figure_is_missing(self):
        rows = [
            figures.speedup("fast", [2.0], [3.0], ">= 1", "seconds"),
            figures.missing("pfl", "not installed: pfl", ">= 2.2"),
        ]
        lines = figures.table(rows).splitlines()
        self.assertEqual(len(lines), 3)
        self.assertRegex(lines[1], "fast .* 1.500 .*>= 1 .*seconds")
        self.assertNotIn("to 1.500", lines[1], "one pair has no spread")
        self.assertRegex(lines[2], "pfl .*>= 2.2 .*not installed: pfl")

    def test_sides_that_do_not_compute_the_same_end_the_benchmark(self):
        figures.require_below("distance", 1e-6, 1e-5)
        for wrong in (1e-4, float("nan")):
            with self.assertRaisesRegex(SystemExit, "do not compute the same"):
                figures.require_below("distance", wrong, 1e-5)

    def test_losses_are_compared_turn_by_turn(self):
        case = dataclasses.replace(step.QUICK[0], name="net")
        step.check(case, "fp32", {"ours": [1.0, 0.5], "eager": [1.0, 0.5]}, 1e-6)
        with self.assertRaisesRegex(SystemExit, "step net fp32: difference of eager's loss"):
            step.check(case, "fp32", {"ours": [1.0, 0.5], "eager": [1.0, 0.6]}, 1e-3)


class Growth(unittest.TestCase):
    """The line of a curve."""

    def test_a_line_is_found_again(self):
        xs = [10, 100, 5000]
        constant, slope = growth.fit(xs, [3 + 0.5 * x for x in xs])
        self.assertAlmostEqual(constant, 3)
        self.assertAlmostEqual(slope, 0.5)

    def test_one_point_is_a_constant(self):
        self.assertEqual(growth.fit([7], [3.0]), (3.0, 0.0))

    def test_rows_tell_how_far_a_point_is_from_its_line(self):
        points = {x: growth.Measured(seconds=1.0 + x, memory=10.0, parameters=0) for x in (1, 2, 3)}
        rows = list(growth.curve("c", "client", points))
        self.assertEqual([row["unit"] for row in rows], ["s"] * 3 + ["bytes"] * 3)
        for row in rows:
            self.assertAlmostEqual(row["ratio"], 1.0)
        self.assertAlmostEqual(rows[0]["slope"], 1.0)
        self.assertAlmostEqual(rows[3]["constant"], 10.0)


class Cases(unittest.TestCase):
    """What is run."""

    def setUp(self):
        self.addCleanup(os.environ.pop, "HARMOFL_BENCH_CASE", None)

    def test_a_case_can_be_asked_for_by_the_beginning_of_its_name(self):
        self.assertEqual(programs.chosen(step.CASES), list(step.CASES))
        os.environ["HARMOFL_BENCH_CASE"] = "densenet"
        self.assertEqual([case.name for case in programs.chosen(step.CASES)], ["densenet121 96"])

    def test_cohorts_are_even_because_pfl_shares_them_out_in_pairs(self):
        for case in (*rounds.CASES, *rounds.QUICK):
            self.assertEqual(case.cohort % 2, 0)

    def test_a_run_has_rounds_between_the_first_and_the_last_and_a_save_among_them(self):
        for case in (*overhead.CASES, *overhead.QUICK):
            self.assertGreaterEqual(case.rounds, 4)


class Peers(unittest.TestCase):
    """What other software is found."""

    def setUp(self):
        self.addCleanup(os.environ.pop, "HARMOFL_BENCH_PYTHON", None)
        os.environ["HARMOFL_BENCH_PYTHON"] = str(ROOT / "no/such/python")

    def test_peers_that_are_not_installed_are_named_with_the_remedy(self):
        python, reason = programs.peer_python("pfl")
        self.assertIsNone(python)
        self.assertEqual(reason, "not installed: pfl (tools/install-deps.sh --bench)")

    def test_every_round_of_a_missing_peer_is_a_row_with_its_goal(self):
        class NoCase:
            name = "A"

        rows = list(rounds.peers_of(NoCase, rounds.GROUPS[2], 1))
        self.assertEqual([(row["ratio"], row["goal"]) for row in rows], [(None, ">= 4")])
        self.assertIn("not installed: flwr, ray", rows[0]["what"])


if __name__ == "__main__":
    unittest.main()
