# SPDX-License-Identifier: Apache-2.0
"""tools/scaling.py project: what SimGrid makes of rounds whose time follows by hand.

Skipped where smpirun is missing (tools/install-deps.sh --cluster installs it).
By hand, from the root of the checkout: .deps/venv/bin/python tests/tools/scaling_replay_test.py
"""

import shutil
import sys
import types
import unittest

from scaling_support import AGGREGATE, PLATFORMS, REST, FolderTest, write_study
from scaling import analysis, platforms, projection, replay
from scaling.study import StudyError

SKIPPED = 77  # the exit status that ctest takes for a skip

# One host with two cores; 1 GB/s between its ranks, at once.
HOST = {
    "topology": "host",
    "cores": 2,
    "ranks_a_host": 64,
    "core_speed": 1.0,
    "host_bandwidth": 1e9,
    "host_latency": 0.0,
    "allreduce": "rdb",
}
MICROSECOND = 1e-6  # what SimGrid's log shows; a round has seven actions


def work(train, server=0.0, rest=0.0, message_bytes=0):
    return replay.RoundWork(list(train), server, rest, message_bytes, clients_a_rank=1)


class ReplayTest(FolderTest):
    """A test that replays."""

    def replay(self, machine, *rounds):
        return replay.replay(self.folder, machine, list(rounds))

    def assert_seconds(self, found, expected):
        self.assertAlmostEqual(found, expected, delta=7 * MICROSECOND)


class Replay(ReplayTest):
    """Rounds on machines whose time can be told."""

    def test_one_rank_takes_what_it_computes(self):
        first, second = self.replay(HOST, work([2.0], 0.5, 0.25), work([1.0]))
        self.assertEqual((first.seconds, second.seconds), (2.75, 1.0))
        self.assertEqual(first.communication, 0.0)

    def test_a_core_of_twice_the_speed_takes_half_the_time(self):
        (one,) = self.replay({**HOST, "core_speed": 2.0}, work([2.0], 0.5, 0.25))
        self.assertEqual(one.seconds, 1.375)

    def test_the_faster_of_two_ranks_waits_for_the_slower(self):
        (one,) = self.replay(HOST, work([1.0, 2.0]))
        self.assert_seconds(one.seconds, 2.0)
        self.assertEqual((one.mean["train"], one.longest["train"]), (1.5, 2.0))
        self.assert_seconds(one.first["wait"], 1.0)
        self.assert_seconds(one.communication, 0.0)

    def test_four_ranks_share_two_cores(self):
        self.assert_seconds(self.replay(HOST, work([1.0] * 4))[0].seconds, 2.0)
        self.assert_seconds(self.replay(HOST, work([3.0, 1.0, 1.0, 1.0]))[0].seconds, 4.0)

    def test_two_ranks_exchange_a_message_at_the_bandwidth_of_the_host(self):
        (one,) = self.replay(HOST, work([0.0, 0.0], message_bytes=500_000_000))
        self.assert_seconds(one.first["allreduce"], 0.5)

    def seconds_between_hosts(self, message_bytes, **changes):
        """A round of two ranks on two hosts that compute nothing."""
        machine = {
            **platforms.read_machine(PLATFORMS / "fat-tree.json"),
            "ranks_a_host": 1,
            "allreduce": "rdb",
            **changes,
        }
        return self.replay(machine, work([0.0, 0.0], message_bytes=message_bytes))[0].seconds

    def test_two_hosts_exchange_a_message_at_the_bandwidth_of_the_network(self):
        for large, small in ((50_000, 10_000), (5_000_000, 1_000_000)):
            longer = self.seconds_between_hosts(large, link_bandwidth=1e6) - self.seconds_between_hosts(
                small, link_bandwidth=1e6
            )
            self.assert_seconds(longer, (large - small) / 1e6)

    def test_the_latency_of_the_network_counts_for_each_message(self):
        once = self.seconds_between_hosts(8, link_bandwidth=1e12, link_latency=1e-3)
        twice = self.seconds_between_hosts(8, link_bandwidth=1e12, link_latency=2e-3)
        self.assertGreater(once, 2e-3)  # up to the switch and down, at least once
        self.assert_seconds(twice, 2 * once)

    def test_both_machines_that_come_along_replay_64_ranks(self):
        for name in ("fat-tree", "dragonfly"):
            with self.subTest(name):
                machine = platforms.read_machine(PLATFORMS / f"{name}.json")
                machine = {**machine, "ranks_a_host": 1}  # beyond one switch and one group
                (one,) = self.replay(machine, work([0.5] * 64, message_bytes=100_000))
                self.assertEqual(one.mean["train"], 0.5)
                # No link is faster than 12.5 GB/s, and each rank sends the message once at least.
                self.assertGreater(one.communication, 100_000 / 12.5e9)
                self.assertLess(one.communication, 0.01)

    def test_an_algorithm_that_simgrid_does_not_know_is_an_error(self):
        with self.assertRaisesRegex(StudyError, "smpirun ended with"):
            self.replay({**HOST, "allreduce": "telepathy"}, work([1.0, 1.0]))


class Projection(ReplayTest):
    """A whole projection of a study whose numbers are known."""

    def project(self, **changes):
        study = write_study(
            self.folder / "study", kind=changes.pop("kind", "strong"), cores=changes.pop("cores", 8)
        )
        options = types.SimpleNamespace(
            **{
                "platform": PLATFORMS / "fat-tree.json",
                "ranks": [1, 2, 4, 64],
                "clients": None,
                "clients_a_rank": 2,
                "message_bytes": None,
                "keep": self.folder / "kept",
                **changes,
            }
        )
        runs = analysis.read_runs(self.folder / "study", study)
        return projection.project(study, runs, options)

    def test_the_error_is_that_against_the_measured_median(self):
        rows = {row["ranks"]: row for row in self.project()["validation"]}
        # 4 s of training, the server's step and the rest, all measured on one rank themselves.
        self.assert_seconds(rows[1]["from_one_rank"]["seconds"], 4.0 + AGGREGATE + REST)
        self.assertAlmostEqual(rows[1]["from_one_rank"]["error"], 0.0, places=5)
        # Two runs, of 2.75 s and 4.75 s, say 3.75 s; from one rank 2.75 s are predicted.
        self.assertEqual(rows[2]["measured"]["median"], 3.75)
        self.assertAlmostEqual(rows[2]["from_one_rank"]["error"], 2.75 / 3.75 - 1, places=4)
        # From the clients' times in those runs: 2 s or 4 s of training, 0.75 s after it.
        self.assertAlmostEqual(rows[2]["from_same_ranks"]["seconds"], 3.75, places=4)
        self.assertAlmostEqual(rows[4]["from_same_ranks"]["seconds"], 2.75, places=4)

    def test_ranks_beyond_the_cores_are_predicted_to_share_them(self):
        four = self.project(cores=1)["validation"][2]
        # 4 s of training and four steps of the server on one core.
        self.assertAlmostEqual(four["from_one_rank"]["seconds"], 4 + 4 * AGGREGATE + REST, places=4)
        self.assertAlmostEqual(four["from_same_ranks"]["seconds"], 2.75, places=4)

    def test_a_weak_study_is_predicted_with_as_many_more_clients_as_ranks(self):
        rows = self.project(kind="weak")["validation"]
        # On four ranks four times the clients of one: 16 s, 4 s a rank, and four times the rest.
        self.assertAlmostEqual(rows[2]["from_one_rank"]["seconds"], 4 + AGGREGATE + 4 * REST, places=4)

    def test_ranks_beyond_the_clients_idle_and_bring_nothing(self):
        rows = {row["ranks"]: row for row in self.project()["same"]}
        self.assertEqual([rows[p]["idle_ranks"] for p in (1, 2, 4, 64)], [0, 0, 1, 61])
        self.assertEqual([rows[p]["bound"] for p in (1, 2, 4, 64)], [1.0, 1.5, 3.0, 3.0])
        self.assertAlmostEqual(rows[64]["seconds"], 2.75, places=3)
        self.assertAlmostEqual(rows[64]["speed_up"], 4.75 / 2.75, places=3)

    def test_a_growing_federation_keeps_every_rank_at_work(self):
        rows = self.project()["growing"]
        self.assertEqual([row["clients"] for row in rows], [2, 4, 8, 128])
        self.assertEqual([row["idle_ranks"] for row in rows], [0, 0, 0, 0])
        # Clients of 2, 1, 1, 2, 1, 1, 2, 1 s on four ranks: 11 s, longest first 3, 3, 3 and 2.
        self.assertAlmostEqual(rows[2]["train"], 11 / 4, places=4)
        self.assertAlmostEqual(rows[2]["imbalance"], 0.25, places=4)
        self.assertAlmostEqual(rows[2]["steady_seconds"], rows[2]["seconds"], places=4)

    def test_more_ranks_than_the_machine_has_room_for_are_refused(self):
        with self.assertRaisesRegex(StudyError, "has room for 4096 ranks, not for 5000"):
            self.project(ranks=[1, 5000])


if __name__ == "__main__":
    if shutil.which(replay.SMPIRUN) is None:
        print("skipped: smpirun is missing (tools/install-deps.sh --cluster installs SimGrid)")
        sys.exit(SKIPPED)
    unittest.main(verbosity=2)
