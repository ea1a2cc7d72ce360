#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Threads of a rank, and what is said where they have no cores of their own."""

import os
import unittest.mock

import support

CORES = sorted(os.sched_getaffinity(0))


class Threads(support.ProgramTest):
    def plan(self, *arguments, cores=None, env=None, **options):
        """What a dry run says, bound to `cores`."""
        with unittest.mock.patch.dict(os.environ, env or {}):
            if "OMP_NUM_THREADS" not in (env or {}):
                os.environ.pop("OMP_NUM_THREADS", None)
            result = support.train(
                support.federation(),
                self.folder / "run",
                "--dry-run",
                *arguments,
                preexec=lambda: os.sched_setaffinity(0, cores or CORES),
                **options,
            )
        return self.succeeds(result).stderr

    def test_come_from_the_key_else_openmp_else_slurm_else_the_cores(self):
        openmp, slurm = {"OMP_NUM_THREADS": "3"}, {"SLURM_CPUS_PER_TASK": "2"}
        for arguments, env, threads in (
            (("--device.threads", 4), {**openmp, **slurm}, 4),
            (("--comm.reduce", "exact"), {**openmp, **slurm}, 1),
            ((), {**openmp, **slurm}, 3),
            ((), slurm, 2),
            ((), {}, len(CORES)),
        ):
            with self.subTest(arguments=arguments, env=env):
                self.assertIn(f"{threads} thread(s): site_0", self.plan(*arguments, env=env))

    def test_without_wishes_ranks_share_the_cores_that_they_may_use(self):
        said = self.plan(ranks=2)
        self.assertEqual(said.count(f"{max(1, len(CORES) // 2)} thread(s): site_"), 2, said)
        self.assertIn("1 thread(s): site_0", self.plan(cores=CORES[:1]))

    def test_beyond_the_cores_are_warned_of(self):
        count = (os.cpu_count() or 1) + 1
        said = self.plan("--device.threads", count)
        self.assertIn(f"warning: 1 rank(s) with {count} thread(s) in all share {len(CORES)} core", said)
        self.assertIn(f"--device.threads {len(CORES)}", said)

    @unittest.skipIf((os.cpu_count() or 1) < 2, "one core: none that a binding could leave out")
    def test_on_fewer_cores_than_the_host_has_are_told_how_to_be_bound(self):
        said = self.plan("--device.threads", 2, cores=CORES[:1])
        self.assertIn("warning: 1 rank(s) with 2 thread(s) in all share 1 core(s)", said)
        self.assertIn("mpirun --map-by slot:PE=2 --bind-to core", said)


if __name__ == "__main__":
    support.main()
