#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Failing ranks and full disks: a run ends soon, says why once, and harms no whole file."""

import contextlib
import resource
import signal
import subprocess
import unittest

import support
from support import harmofl

FIRST_ROUND = "round 0 (1/"  # what a run says before the injected faults
RANK_FAILURE = 3


class InjectedFaults(support.ProgramTest):
    """HARMOFL_FAULT=kind@place:rank:round makes one rank throw, leave or hang."""

    def fault(self, kind, *arguments):
        result = support.train(
            support.federation(),
            self.folder / "run",
            *support.TINY,
            "--run.rounds",
            3,
            *arguments,
            ranks=2,
            when=FIRST_ROUND,
            env={"HARMOFL_FAULT": f"{kind}@train:1:1"},
        )
        self.assertIn(FIRST_ROUND, result.seen, result)
        self.assertLess(result.ended - result.seen[FIRST_ROUND], 10, result)
        self.assertFalse((self.folder / "run/summary.json").exists())
        return result

    def test_an_exception_of_one_rank_ends_the_job_with_one_message(self):
        result = self.fails(
            self.fault("throw"), RANK_FAILURE, "rank 1", "client site_1 in round 1", "injected failure"
        )
        self.assertEqual(result.stderr.count("injected failure"), 1, result)

    def test_an_exception_in_a_lane_ends_the_job_with_one_message(self):
        lanes = ("--device.lanes", 2, "--data.partition", "iid", "--data.clients", 6)
        result = self.fails(self.fault("throw", *lanes), RANK_FAILURE, "rank 1", "injected failure")
        self.assertRegex("\n".join(result.errors()), r"rank 1: client client_\d+ in round 1")
        self.assertEqual(result.stderr.count("injected failure"), 1, result)

    def test_a_rank_whose_lanes_hang_names_all_their_clients(self):
        lanes = ("--device.lanes", 2, "--data.partition", "iid", "--data.clients", 6)
        result = self.fault("hang", "--comm.timeout", 2, *lanes)
        self.assertEqual(result.code, RANK_FAILURE, result)
        self.assertRegex(
            "\n".join(result.errors()),
            r"rank 1 has reported nothing for 2 s; .* training clients client_\d+, client_\d+ in round",
        )

    def test_a_rank_that_crashes_says_which_client_it_trained(self):
        result = self.fault("crash")
        self.assertNotEqual(result.code, 0, result)
        self.assertRegex(
            "\n".join(result.errors()),
            "error: rank 1: ended by a signal while training client site_1 in round 1",
        )

    def test_a_rank_that_leaves_ends_the_job(self):
        result = self.fault("exit")
        self.assertNotEqual(result.code, 0, result)
        self.assertIn("Exit code:    9", result.stderr)

    def test_a_rank_that_hangs_is_named_by_the_watchdog(self):
        result = self.fault("hang", "--comm.timeout", 2)
        self.assertEqual(result.code, RANK_FAILURE, result)
        self.assertRegex(
            "\n".join(result.errors()),
            r"rank 1 has reported nothing for 2 s; .* training client site_1 in round",
        )

    def test_without_mpirun_an_exception_is_one_message_too(self):
        result = support.train(
            support.federation(), self.folder / "run", *support.TINY, env={"HARMOFL_FAULT": "throw@train:0:0"}
        )
        self.fails(result, RANK_FAILURE, "injected failure")


def ignore_file_size_signal():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing fails with EFBIG instead


class FullDisk(support.ProgramTest):
    """A checkpoint that cannot be written leaves the one before whole."""

    def setUp(self):
        super().setUp()
        self.output = self.folder / "run"

    def train(self, rounds, *arguments, output=None, **options):
        return support.train(
            support.federation(),
            output or self.output,
            *support.TINY,
            "--run.rounds",
            rounds,
            *arguments,
            **options,
        )

    def assert_intact(self, checkpoint, content):
        self.assertEqual(checkpoint.read_bytes(), content)
        self.assertIn("after 1 rounds", self.succeeds(harmofl("inspect", checkpoint)).stdout)
        leftovers = [path.name for path in self.output.iterdir() if ".tmp" in path.name]
        self.assertEqual(leftovers, [])

    def test_an_earlier_checkpoint_stays_whole_and_is_resumed_when_there_is_space(self):
        self.succeeds(self.train(1))
        checkpoint = self.output / "checkpoint.h5"
        content = checkpoint.read_bytes()
        # Room for best.h5, not for the state of three clients; set late, for MPI_Init needs more.
        half = len(content) // 2
        result = self.train(
            3,
            "--resume",
            preexec=ignore_file_size_signal,
            when="resuming after",
            then=lambda process: resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (half, half)),
        )
        self.fails(result, 1, checkpoint, "File too large")
        self.assert_intact(checkpoint, content)
        self.succeeds(self.train(2, "--resume"))
        self.succeeds(self.train(2, output=self.folder / "uninterrupted"))
        self.assert_same_run(self.output, self.folder / "uninterrupted")

    @contextlib.contextmanager
    def small_disk(self, size):
        self.output.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", self.output],
            capture_output=True,
            text=True,
            check=False,
        )
        if mounted.returncode != 0:
            raise unittest.SkipTest(f"a small disk cannot be mounted: {mounted.stderr.strip()}")
        try:
            yield
        finally:
            subprocess.run(["umount", self.output], check=True)

    def test_a_disk_without_space(self):
        with self.small_disk("1200k"):
            self.succeeds(self.train(1))
            checkpoint = self.output / "checkpoint.h5"
            content = checkpoint.read_bytes()  # 900 KB: a second one beside it has no room
            for ranks in (None, 2):
                with self.subTest(ranks=ranks):
                    result = self.train(2, "--resume", ranks=ranks)
                    self.fails(result, 1, checkpoint, "No space left on device")
                    self.assert_intact(checkpoint, content)

    def test_a_disk_without_space_for_a_third_checkpoint_leaves_two(self):
        with self.small_disk("2m"):  # and one of 900 KB more has no room beside them
            result = self.train(5, "--run.save_every", 1)
            self.fails(result, 1, self.output / "checkpoint.h5", "No space left on device")
            for name, rounds in (("checkpoint.h5", 2), ("checkpoint-000001.h5", 1)):
                text = self.succeeds(harmofl("inspect", self.output / name)).stdout
                self.assertIn(f"after {rounds} rounds", text)
            # Fewer to be kept make room before the next save.
            self.succeeds(self.train(5, "--run.save_every", 1, "--run.keep", 1, "--resume"))
            self.succeeds(self.train(5, output=self.folder / "uninterrupted"))
            self.assert_same_run(self.output, self.folder / "uninterrupted")

    def test_a_run_in_a_folder_that_became_read_only_is_refused_and_stays(self):
        with self.small_disk("4m"):
            self.succeeds(self.train(1))
            before = {path.name: path.read_bytes() for path in self.output.iterdir()}
            subprocess.run(["mount", "-o", "remount,ro", self.output], check=True)
            for ranks in (None, 2):
                result = self.train(2, "--resume", ranks=ranks)
                self.fails(result, 1, self.output, "Read-only file system", "run.output")
            after = {path.name: path.read_bytes() for path in self.output.iterdir()}
            self.assertEqual(before, after)

    def test_a_read_only_folder_is_refused_before_the_first_round(self):
        with self.small_disk("1m"):
            subprocess.run(["mount", "-o", "remount,ro", self.output], check=True)
            for ranks in (None, 2):
                result = self.train(1, ranks=ranks)
                self.fails(result, 1, self.output, "Read-only file system")
                self.assertNotIn(FIRST_ROUND, result.stderr)

    def test_a_folder_below_a_file_is_refused(self):
        (self.folder / "file").write_text("")
        output = self.folder / "file" / "run"
        self.fails(self.train(1, output=output), 1, output, "cannot be made", "run.output")
        self.fails(self.train(1, output=output, ranks=2), 1, output, "cannot be made")


if __name__ == "__main__":
    support.main()
