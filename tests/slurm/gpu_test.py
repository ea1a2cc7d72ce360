#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The job files for GPUs on a Slurm cluster whose two nodes say that they have two GPUs each. There are
none: what is tested is what Slurm gives to whom, and that the files train and go on, on the CPU.

By hand as the other end-to-end tests (tests/end_to_end/support.py).
"""

import functools
import pathlib
import re
import sys
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "end_to_end"))
import jobs_test
import support
from cluster import Cluster
from jobs_test import FOR_EVER, JOBS, OnCluster

# A program in the place of harmofl that writes down what its rank sees, and what it is told.
SHOW = """#!/bin/bash
rank=${OMPI_COMM_WORLD_RANK:-$SLURM_PROCID}
echo "$SLURMD_NODENAME ${CUDA_VISIBLE_DEVICES-unset}" >"$SEEN/$rank"
echo "$*" >"$SEEN/arguments"
"""
ON_CPU = ("--device.type", "cpu")
TCP = {"OMPI_MCA_btl": "self,tcp"}  # the two nodes have one memory, which ranks must not use
SMALL = ("--ntasks-per-node=1", "--gpus-per-node=1", "--cpus-per-task=1")


class OnGpus:
    """To stand before OnCluster: its nodes have two GPUs each."""

    @classmethod
    def setUpClass(cls):
        with mock.patch.object(jobs_test, "Cluster", functools.partial(Cluster, gpus=2)):
            super().setUpClass()

    def with_site(self, *arguments, file, options=(), **env):
        """Submits with jobs/site.sh as the repository has it."""
        return self.submit(
            *arguments, file=file, options=options, HARMOFL_SITE=str(JOBS / "site.sh"), **TCP, **env
        )


class GpuJobs(OnGpus, OnCluster, support.ProgramTest):
    def setUp(self):
        super().setUp()
        self.show = self.folder / "show"
        self.show.write_text(SHOW)
        self.show.chmod(0o755)
        self.seen = self.folder / "seen"
        self.seen.mkdir()

    def seen_by_ranks(self):
        return sorted(path.read_text().strip() for path in self.seen.glob("[0-9]*"))

    def sees(self, expected, *arguments, file, launcher):
        self.configure(1)
        env = {"HARMOFL": str(self.show), "SEEN": str(self.seen), "LAUNCHER": launcher}
        job = self.with_site(*arguments, "--cpus-per-task=1", file=file, **env)
        self.until_state(job, "COMPLETED")
        self.assertEqual(self.seen_by_ranks(), expected)
        self.assertIn("train --resume --config", (self.seen / "arguments").read_text())

    def test_every_rank_sees_all_gpus_of_its_node(self):
        for launcher in ("mpirun", "srun"):
            with self.subTest(launcher):
                self.sees(
                    ["n1 0,1", "n1 0,1", "n2 0,1", "n2 0,1"],
                    "--ntasks-per-node=2",
                    "--gpus-per-node=2",
                    file="gpu-many-nodes.sbatch",
                    launcher=launcher,
                )

    def test_on_one_node_ranks_see_what_the_job_has_and_no_more(self):
        self.sees(["n1 0"], *SMALL, file="gpu-one-node.sbatch", launcher="srun")

    def test_what_srun_says_of_gpus_decides_what_a_task_sees(self):
        """The table of docs/guides/cluster.md."""
        for options, expected in (
            (("--gpus-per-node=2",), ["0,1", "0,1"]),
            (("--gpus-per-task=1",), ["0", "1"]),
            (("--gpus-per-node=2", "--gpu-bind=single:1"), ["0", "1"]),
            (("--gpus-per-node=2", "--gpu-bind=none"), ["unset", "unset"]),
        ):
            said = self.cluster.tell(
                *("srun", "--nodes=1", "--ntasks=2", *options),
                *("bash", "-c", "echo ${CUDA_VISIBLE_DEVICES-unset}"),
            )
            self.assertEqual(sorted(said.splitlines()), expected, options)

    def test_the_files_ask_for_a_gpu_a_rank(self):
        for file in ("gpu-one-node.sbatch", "gpu-many-nodes.sbatch"):
            asked = dict(re.findall(r"^#SBATCH --([a-z-]+)=(\S+)$", (JOBS / file).read_text(), re.MULTILINE))
            self.assertEqual(asked["gpus-per-node"], asked["ntasks-per-node"], file)

    def test_more_gpus_than_a_node_has_are_refused(self):
        self.configure(1)
        with self.assertRaisesRegex(AssertionError, "node configuration is not available"):
            self.with_site(
                "--gpus-per-node=3", "--ntasks-per-node=1", "--cpus-per-task=1", file="gpu-one-node.sbatch"
            )

    def test_without_a_gpu_the_job_fails_and_says_why(self):
        self.configure(1)
        job = self.with_site(*SMALL, file="gpu-one-node.sbatch", options=("--device.type", "cuda"))
        self.until_state(job, "FAILED")
        self.assertIn("device.type = cuda, but", self.said())

    def test_the_configuration_is_sound(self):
        config = JOBS / "gpu.ini"
        # What only a GPU can do is left out; all else is looked at.
        options = (*ON_CPU, "--device.graphs", "false", "--data.shards", support.federation(), "--dry-run")
        self.succeeds(support.harmofl("train", "--config", config, *options))
        result = support.harmofl("train", "--config", config, *options[4:])
        self.fails(result, 1, "device.type = cuda, but")


class GpuJobsTrain(OnGpus, OnCluster, support.ProgramTest):
    """The files for GPUs, with jobs/site.sh, on the CPU."""

    def test_on_two_nodes_to_the_bits_of_one_process(self):
        self.configure(2)
        job = self.with_site(*SMALL, file="gpu-many-nodes.sbatch", options=ON_CPU, LAUNCHER="mpirun")
        self.until_state(job, "COMPLETED")
        self.assert_uninterrupted(2)

    def test_interrupted_under_srun_they_save_and_go_on(self):
        """Though srun ends the other ranks when one has ended: they have saved."""
        self.configure(FOR_EVER)
        job = self.with_site(*SMALL, file="gpu-many-nodes.sbatch", options=ON_CPU, LAUNCHER="srun")
        self.until_rounds(3)
        self.cluster.tell("scancel", "--signal=USR1", "--batch", job)
        self.until_state(job, "PENDING")
        self.assertIn("--kill-on-bad-exit=1", self.said())
        done = self.rounds_kept()
        self.configure(done + 2)
        self.cluster.release(job)
        self.until_state(job, "COMPLETED")
        self.assertIn(f"resuming after {done} round(s)", self.said())
        self.assert_uninterrupted(done + 2)

    def test_a_rank_that_dies_ends_the_job_under_srun(self):
        self.configure(FOR_EVER)
        job = self.with_site(
            *SMALL,
            file="gpu-many-nodes.sbatch",
            options=(*ON_CPU, "--comm.timeout", 0),
            LAUNCHER="srun",
            HARMOFL_FAULT="exit@train:1:2",
        )
        self.until_state(job, "FAILED")
        self.assertIn("Exited with exit code 9", self.said())


if __name__ == "__main__":
    support.main()
