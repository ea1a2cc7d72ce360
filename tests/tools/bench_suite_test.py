# SPDX-License-Identifier: Apache-2.0
"""bench/suite: figures, lines and what is said of peers that are not there; nothing is measured.

By hand, from the root of the checkout: .deps/venv/bin/python tests/tools/bench_suite_test.py
"""

import dataclasses
import os
import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
try:
    from suite import figures, gpu, growth, overhead, programs, rounds, step
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


class Gpu(unittest.TestCase):
    """Cases on a GPU, one at a time."""

    def test_every_case_has_a_name_of_its_own_and_ends_within_90_s(self):
        names = [case.name for case in gpu.cases()]
        self.assertEqual(len(set(names)), len(names))
        self.assertEqual(set(gpu.limits()), {*names, "allreduce"})
        for limit in gpu.limits().values():
            self.assertLessEqual(limit, 90)

    def test_the_first_cases_show_every_network(self):
        networks = {case.network.name for case in gpu.cases()}
        self.assertEqual({case.network.name for case in gpu.cases()[: len(networks)]}, networks)

    def test_graphs_are_compared_with_what_else_records_them_or_with_none(self):
        for variant in gpu.VARIANTS:
            self.assertEqual(variant.graphs, variant.peer in ("no-graphs", "reduce-overhead"), variant)

    def test_rows_have_seconds_and_where_the_driver_counts_them_shares_of_busy_time(self):
        case = gpu.cases()[0]
        found = {"ours": [0.5, 0.25], "eager": [1.0, 0.5]}
        (row,) = gpu.rows_of(case, found, {"ours": 0.5, "eager": None})
        self.assertEqual((row["name"], row["ratio"]), (f"gpu {case.name}", 2.0))
        self.assertIn("4.0 steps/s", row["what"])
        _, busy = gpu.rows_of(case, found, {"ours": 0.75, "eager": 0.5})
        self.assertEqual((busy["ours"], busy["other"]), (0.75, 0.5))

    def test_no_gpu_is_a_reason_and_anything_else_a_failure(self):
        said = "failed: bench_step\nerror: device.type = cuda, but no GPU is usable: no driver"
        with self.assertRaisesRegex(
            programs.Refused, "^error: device.type = cuda, but no GPU is usable: no driver$"
        ):
            gpu.refuse_without_gpu(SystemExit(said))
        with self.assertRaisesRegex(SystemExit, "out of memory"):
            gpu.refuse_without_gpu(SystemExit("failed: bench_step\nerror: out of memory"))

    def test_a_case_that_does_not_end_in_time_is_a_row_that_says_so(self):
        with tempfile.TemporaryDirectory() as folder:
            (row,) = gpu.in_time(gpu.cases()[0].name, 0.01, False, pathlib.Path(folder))
        self.assertIsNone(row["ratio"])
        self.assertIn("not done in 0.01 s", row["what"])


class StepPeers(unittest.TestCase):
    """What a step on the CPU is compared with."""

    def test_compiled_code_is_a_peer_on_one_thread_in_our_format_and_precision(self):
        self.assertEqual(list(step.peers_of("bf16", 2, quick=False)), ["eager"])
        for precision in ("fp32", "bf16"):
            peers = step.peers_of(precision, 1, quick=False)
            self.assertEqual(list(peers), ["eager", "channels_last", "compile"])
            self.assertEqual(peers["compile"], step.Peer("channels-last", precision, "default"))

    def test_a_quick_run_compiles_nothing_to_machine_code(self):
        modes = {peer.compile for p in ("fp32", "bf16") for peer in step.peers_of(p, 1, quick=True).values()}
        self.assertEqual(modes, {"none", "aot_eager"})


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
