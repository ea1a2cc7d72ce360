#!/usr/bin/env python3
"""The job files of jobs/ on a Slurm cluster of two nodes, which cluster.py starts on this machine."""
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "end_to_end"))
import support
from cluster import Cluster, why_not

JOBS = support.SOURCE / "jobs"
FOR_EVER = 1000000  # rounds: such a run ends when it is interrupted
# Two nodes with one memory: Open MPI must not take ranks of the other for neighbours.
SITE = """
prepare_site() { export OMPI_MCA_btl=self,tcp; }
program=$HARMOFL
launcher=${LAUNCHER:-mpirun}
mpirun_options=()
srun_options=(--mpi=pmix)
when_saved=${WHEN_SAVED:-requeue}
"""


class OnCluster:
    """Jobs that train a tiny federation, and what they would have become without interruptions."""

    @classmethod
    def setUpClass(cls):
        reason = why_not()
        if reason:
            raise unittest.SkipTest(reason)
        super().setUpClass()
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.stop)

    def setUp(self):
        super().setUp()
        self.output = self.folder / "run"
        (self.folder / "site.sh").write_text(SITE)

    def run(self, result=None):
        """Shows what jobs and daemons said of a test that failed."""
        before = result and len(result.failures) + len(result.errors)
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            print(self.cluster.logs(), file=sys.stderr)

    def configure(self, rounds):
        """Writes the configuration; run.rounds may change from one start to the next."""
        keys = [f"--data.shards={support.federation()}", f"--run.output={self.output}",
                f"--run.rounds={rounds}", "--run.save_every=1"]
        words = [str(word) for word in support.TINY]
        keys += [f"{key}={value}" for key, value in zip(words[::2], words[1::2])]
        lines = []
        for section, rest in sorted(key[2:].split(".", 1) for key in keys):
            lines += [f"[{section}]", rest]
        (self.folder / "config.ini").write_text("\n".join(lines) + "\n")

    def submit(self, *arguments, file, options=(), **env):
        return self.cluster.submit(
            "--output", self.folder / "%j.out", *arguments, JOBS / file, *options,
            env={"CONFIG": str(self.folder / "config.ini"), "HARMOFL": support.HARMOFL,
                 "HARMOFL_ROOT": str(support.SOURCE), "HARMOFL_SITE": str(self.folder / "site.sh"),
                 **env})

    def said(self):
        """What all jobs of this test said."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.out")))

    def until(self, what, reached, timeout=60):
        try:
            self.cluster.until(what, reached, timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}\njobs said:\n{self.said()}") from None

    def until_state(self, job, *states):
        self.until(f"job {job} is {states}", lambda: set(self.cluster.state(job)) <= set(states))

    def until_rounds(self, count):
        """Waits for the end of so many rounds."""
        self.until(f"{count} round(s)", lambda: self.said().count("train loss") >= count)

    def rounds_kept(self):
        """Rounds that the newest checkpoint holds."""
        said = self.succeeds(support.harmofl("inspect", self.output / "checkpoint.h5")).stdout
        return int(said.split("after ", 1)[1].split(" rounds", 1)[0])

    def assert_uninterrupted(self, rounds):
        """The run has the bits of one that a single process did without a stop."""
        whole = self.folder / "uninterrupted"
        self.succeeds(support.train(support.federation(), whole, *support.TINY, "--run.rounds",
                                    rounds))
        self.assert_same_run(self.output, whole)


class Interrupted(OnCluster, support.ProgramTest):
    """A job on two nodes, ended in the middle, goes on in its next start to the same bits."""

    def start(self, **env):
        self.configure(FOR_EVER)
        job = self.submit("--nodes=2", "--ntasks-per-node=1", file="many-nodes.sbatch", **env)
        self.until_rounds(2)
        return job

    def goes_on_to_the_same_bits(self, job):
        self.until_state(job, "PENDING")
        done = self.rounds_kept()
        self.configure(done + 2)
        self.cluster.release(job)
        self.until_state(job, "COMPLETED")
        self.assertIn(f"resuming after {done} round(s)", self.said())
        self.assert_uninterrupted(done + 2)

    def is_preempted(self, launcher):
        job = self.start(LAUNCHER=launcher)
        self.cluster.tell("scancel", "--signal=USR1", "--batch", job)
        self.goes_on_to_the_same_bits(job)
        self.assertEqual(self.said().count("interrupted and saved after"), 1, self.said())

    def test_by_a_signal_before_preemption_under_mpirun(self):
        self.is_preempted("mpirun")

    def test_by_a_signal_before_preemption_under_srun(self):
        self.is_preempted("srun")

    def test_without_notice(self):
        job = self.start(LAUNCHER="srun")
        for pid in self.cluster.processes(f"SLURM_JOB_ID={job}"):
            os.kill(pid, 9)
        self.until_state(job, "FAILED")
        self.cluster.tell("scontrol", "requeue", job)
        self.goes_on_to_the_same_bits(job)

    def test_by_a_requeue(self):
        job = self.start(LAUNCHER="mpirun")
        self.cluster.tell("scontrol", "requeue", job)
        self.goes_on_to_the_same_bits(job)


if __name__ == "__main__":
    support.main()
