# SPDX-License-Identifier: Apache-2.0
"""tools/scaling.py project, without SimGrid: machines, traces, and measured times as work.

By hand, from the root of the checkout: .deps/venv/bin/python tests/tools/scaling_model_test.py
"""

import pathlib
import types
import unittest

from scaling_support import AGGREGATE, PLATFORMS, REST, FolderTest, write_run, write_study
from scaling import analysis, platforms, records, replay, validation, workload
from scaling.study import StudyError


class Platforms(FolderTest):
    """Machines as files."""

    def refused(self, machine, text):
        with self.assertRaisesRegex(StudyError, text):
            platforms.check(machine, "m.json")

    def test_the_machines_that_come_along_have_room_for_4096_ranks(self):
        for name in ("fat-tree", "dragonfly"):
            machine = platforms.read_machine(PLATFORMS / f"{name}.json")
            self.assertEqual(platforms.hosts_of(machine), 256)
            platforms.check_room(machine, 4096, name)
            with self.assertRaisesRegex(StudyError, "room for 4096 ranks, not for 4097"):
                platforms.check_room(machine, 4097, name)

    def test_topology_is_spelled_as_simgrid_wants_it(self):
        fat_tree = platforms.read_machine(PLATFORMS / "fat-tree.json")
        self.assertEqual(platforms.topology_parameters(fat_tree), "2;16,16;1,16;1,1")
        dragonfly = platforms.read_machine(PLATFORMS / "dragonfly.json")
        self.assertEqual(platforms.topology_parameters(dragonfly), "8,4;2,4;8,4;2")

    def test_ranks_fill_one_host_after_the_other(self):
        machine = platforms.read_machine(PLATFORMS / "fat-tree.json")
        self.assertEqual(
            [platforms.host_of_rank(machine, rank) for rank in (0, 15, 16)], ["host-0", "host-0", "host-1"]
        )

    def test_machines_that_cannot_be_are_refused(self):
        dragonfly = platforms.read_machine(PLATFORMS / "dragonfly.json")
        self.refused({**dragonfly, "topology": "ring"}, "topology 'ring' is unknown")
        self.refused({**dragonfly, "colour": 1}, "key 'colour' is unknown")
        self.refused({k: v for k, v in dragonfly.items() if k != "cores"}, "'cores' is missing")
        self.refused({**dragonfly, "groups": [9, 4]}, "9 groups, but a chassis has only 8 routers")


class Traces(FolderTest):
    """What SimGrid is given."""

    def test_each_rank_has_a_trace_of_its_own_work(self):
        work = replay.RoundWork(
            train=[2.0, 0.5], server=0.25, rest=0.125, message_bytes=4000, clients_a_rank=3
        )
        listing = replay.write_traces(self.folder, [work])
        paths = listing.read_text().split()
        self.assertEqual(len(paths), 2)
        self.assertEqual(
            pathlib.Path(paths[1]).read_text().splitlines(),
            [
                "1 init",
                "1 compute 500000000",
                "1 barrier",
                "1 compute 250000000",
                "1 allreduce 4000 0 6",
                "1 compute 0",
                "1 gather 192 192 0 6 6",
                "1 allreduce 8 0 6",
                "1 finalize",
            ],
        )
        self.assertIn("0 compute 125000000", pathlib.Path(paths[0]).read_text())

    def test_the_log_is_read_back_by_rank_and_round(self):
        durations = [1.0, 0.5, 0.25, 0.125, 0.0, 0.0, 0.0]
        names = [name for _, name in replay.ACTIONS]
        log = "".join(
            f"{rank} {name} 8 {seconds + rank:f}\n"
            for name, seconds in zip(names * 2, durations * 2)
            for rank in (1, 0)
        )
        actions = replay.parse_actions("Simulation time 3\n" + log, 2)
        rounds = list(replay.rounds_of(actions))
        self.assertEqual(len(rounds), 2)
        self.assertEqual(rounds[1].seconds, 1.875)
        self.assertEqual((rounds[1].mean["train"], rounds[1].longest["train"]), (1.5, 2.0))


class Workload(FolderTest):
    """Measured times as the work of ranks."""

    def setUp(self):
        super().setUp()
        study = write_study(self.folder)
        self.runs = analysis.read_runs(self.folder, study)[1]
        self.costs = workload.costs_of(self.runs)

    def test_costs_are_those_of_one_rank(self):
        self.assertEqual(
            self.costs,
            workload.Costs(setup=0.0, server=AGGREGATE, rest_a_client=REST / 3, message_bytes=4000),
        )

    def test_measured_rounds_are_dealt_longest_first(self):
        work = workload.measured_rounds(self.runs, 2, self.costs, most=3)
        self.assertEqual([one.train for one in work], [[2.0, 2.0]] * 3)
        self.assertEqual(work[0].clients_a_rank, 2)
        idle = workload.measured_rounds(self.runs, 4, self.costs, most=1)[0]
        self.assertEqual(idle.train, [2.0, 1.0, 1.0, 0.0])

    def test_more_clients_are_like_those_measured(self):
        work = workload.sampled_rounds(self.runs, 6, 3, self.costs, count=1)[0]
        self.assertEqual(sum(work.train), 8.0)  # 2+1+1 twice
        self.assertAlmostEqual(work.rest, 2 * REST)

    def test_clients_that_never_vary_take_their_median_time(self):
        slow = types.SimpleNamespace(
            rounds=[types.SimpleNamespace(client_seconds={"a": seconds}) for seconds in (1.0, 9.0, 2.0)]
        )
        self.assertEqual(workload.steady_round([slow], 3, 2, self.costs).train, [4.0, 2.0])


class LocalMachine(FolderTest):
    """The measured machine as one to project to."""

    def machine(self, aggregate_on_two):
        study = write_study(self.folder / "study", cores=2)
        write_run(self.folder / "slow", [2.0, 2.0], {"a": 2.0, "b": 2.0}, aggregate=aggregate_on_two)
        runs = analysis.read_runs(self.folder / "study", study)
        runs[2] = [records.read_run(self.folder / "slow", warm_up=2)]
        return validation.local_machine(study, runs, workload.costs_of(runs[1]))

    def test_its_bandwidth_is_what_the_message_took_between_two_ranks(self):
        machine, fitted = self.machine(AGGREGATE + 0.5 + validation.LOCAL_LATENCY_S)
        self.assertTrue(fitted)
        self.assertAlmostEqual(machine["host_bandwidth"], 4000 / 0.5)
        self.assertEqual((machine["cores"], machine["topology"]), (2, "host"))
        platforms.check(machine, "local")

    def test_it_is_assumed_where_two_ranks_took_no_longer_than_one(self):
        machine, fitted = self.machine(AGGREGATE)
        self.assertFalse(fitted)
        self.assertEqual(machine["host_bandwidth"], validation.LOCAL_BANDWIDTH)


if __name__ == "__main__":
    unittest.main(verbosity=2)
