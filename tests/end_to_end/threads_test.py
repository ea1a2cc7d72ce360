#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Threads of a rank, and what is said where they have no cores of their own."""

import os
import re
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

    def used(self, said):
        """Lanes and threads of each rank, by the lines at the start."""
        found = re.findall(r"rank \d+ on \S+, cpu, (?:(\d+) lanes of )?(\d+) thread\(s\): ", said)
        return [(int(lanes or 1), int(threads)) for lanes, threads in found]

    def test_use_the_cores_by_openmp_else_slurm_else_their_own_for_lanes_first(self):
        openmp, slurm = {"OMP_NUM_THREADS": "6"}, {"SLURM_CPUS_PER_TASK": "2"}
        exact = ("--comm.reduce", "exact")
        for arguments, env, used in (  # three clients
            (("--device.threads", 4), {**openmp, **slurm}, (1, 4)),
            (("--device.threads", 2), {**openmp, **slurm}, (3, 2)),
            (("--device.lanes", 1), {**openmp, **slurm}, (1, 6)),
            (("--device.lanes", 1, *exact), {**openmp, **slurm}, (1, 1)),
            (exact, {**openmp, **slurm}, (3, 1)),
            ((), {**openmp, **slurm}, (3, 2)),
            (("--cohort.size", 1), {**openmp, **slurm}, (1, 6)),
            (("--algorithm.name", "cyclic"), {**openmp, **slurm}, (1, 6)),
            ((), slurm, (2, 1)),
            ((), {}, (min(3, len(CORES)), max(1, len(CORES) // 3))),
            ((), {"OMP_PROC_BIND": "true", "OMP_NUM_THREADS": "2"}, (1, 2)),
        ):
            with self.subTest(arguments=arguments, env=env):
                self.assertEqual(self.used(self.plan(*arguments, env=env)), [used])

    def test_without_wishes_ranks_share_the_cores_that_they_may_use(self):
        said = self.plan(ranks=2)
        share = max(1, len(CORES) // 2)
        lanes = min(2, share)
        self.assertEqual(self.used(said), 2 * [(lanes, max(1, share // lanes))])
        self.assertEqual(self.used(self.plan(cores=CORES[:1])), [(1, 1)])

    def test_beyond_the_cores_are_warned_of(self):
        count = (os.cpu_count() or 1) + 1
        said = self.plan("--device.threads", count)
        lanes = self.plan("--device.threads", 1, "--device.lanes", count)
        self.assertIn(f"warning: 1 rank(s) with {count} thread(s) in all share {len(CORES)} core", lanes)
        self.assertIn(f"warning: 1 rank(s) with {count} thread(s) in all share {len(CORES)} core", said)
        self.assertIn(f"--device.threads {len(CORES)}", said)

    @unittest.skipIf((os.cpu_count() or 1) < 2, "one core: none that a binding could leave out")
    def test_on_fewer_cores_than_the_host_has_are_told_how_to_be_bound(self):
        said = self.plan("--device.threads", 2, cores=CORES[:1])
        self.assertIn("warning: 1 rank(s) with 2 thread(s) in all share 1 core(s)", said)
        self.assertIn("mpirun --map-by slot:PE=2 --bind-to core", said)

    def spins(self, env, cores=None):
        """How often OpenMP's threads look for work before they sleep, as OpenMP itself says."""
        others = {"OMP_NUM_THREADS": "2", "OMP_DISPLAY_ENV": "verbose", **env}
        with unittest.mock.patch.dict(os.environ, others):
            result = support.harmofl("--version", preexec=lambda: os.sched_setaffinity(0, cores or CORES))
        return re.findall(r"GOMP_SPINCOUNT = '(\d+)'", self.succeeds(result).stderr)[-1]

    @unittest.skipIf(len(CORES) < (os.cpu_count() or 1), "bound from the start, as to cores of its own")
    def test_that_wait_sleep_soon_where_the_cores_are_shared(self):
        own = self.spins({"SLURM_JOB_ID": "7"})
        self.assertGreater(int(own), 1000)
        self.assertEqual(self.spins({}), "1000")
        self.assertEqual(self.spins({"GOMP_SPINCOUNT": "77"}), "77")
        self.assertEqual(self.spins({"OMP_WAIT_POLICY": "passive"}), "0")
        self.assertGreater(int(self.spins({"OMP_NUM_THREADS": "1"})), 1000, "nobody waits")
        if len(CORES) > 1:
            self.assertNotEqual(self.spins({}, cores=CORES[:-1]), "1000", "bound to cores of its own")


if __name__ == "__main__":
    support.main()
