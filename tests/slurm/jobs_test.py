#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The job files on a Slurm cluster of two nodes, which cluster.py starts on this machine."""

import json
import os
import pathlib
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "end_to_end"))
import support
from cluster import Cluster, processes, why_not

JOBS = support.SOURCE / "jobs"
FOR_EVER = 1000000  # rounds: such a run ends when it is interrupted
# Two nodes with one memory: Open MPI must not take ranks of the other for neighbours.
SITE = """
prepare_site() { export OMPI_MCA_btl=self,tcp; }
program=("$HARMOFL")
launcher=${LAUNCHER:-mpirun}
mpirun_options=()
srun_options=(--mpi=pmix)
when_saved=${WHEN_SAVED:-requeue}
"""


@unittest.skipIf(why_not(), why_not())
class OnCluster:
    """Jobs that train a tiny federation, and what they would have become without interruptions."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.stop)

    def setUp(self):
        super().setUp()
        self.addCleanup(self.cluster.clear)  # before the folder goes
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
        keys = [
            f"--data.shards={support.federation()}",
            f"--run.output={self.output}",
            f"--run.rounds={rounds}",
            "--run.save_every=1",
        ]
        words = [str(word) for word in support.TINY]
        keys += [f"{key}={value}" for key, value in zip(words[::2], words[1::2])]
        lines = []
        for section, rest in sorted(key[2:].split(".", 1) for key in keys):
            lines += [f"[{section}]", rest]
        (self.folder / "config.ini").write_text("\n".join(lines) + "\n")

    def environment(self):
        """What the job files read."""
        return {
            "CONFIG": str(self.folder / "config.ini"),
            "HARMOFL": support.HARMOFL,
            "HARMOFL_ROOT": str(support.SOURCE),
            "HARMOFL_SITE": str(self.folder / "site.sh"),
        }

    def submit(self, *arguments, file, options=(), **env):
        return self.cluster.submit(
            "--output",
            self.folder / "%j.out",
            *arguments,
            JOBS / file,
            *options,
            env={**self.environment(), **env},
        )

    def said(self):
        """What all jobs of this test said."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.out")))

    def until(self, what, reached):
        try:
            self.cluster.until(what, reached)
        except AssertionError as error:
            raise AssertionError(f"{error}\njobs said:\n{self.said()}") from None

    def until_state(self, job, *states):
        self.until(f"job {job} is {' or '.join(states)}", lambda: set(self.cluster.state(job)) <= set(states))

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
        self.succeeds(support.train(support.federation(), whole, *support.TINY, "--run.rounds", rounds))
        self.assert_same_run(self.output, whole)


class Interrupted(OnCluster, support.ProgramTest):
    """A job on two nodes, ended in the middle, goes on in its next start to the same bits."""

    def start(self, *arguments, **env):
        self.configure(FOR_EVER)
        job = self.submit("--nodes=2", "--ntasks-per-node=1", *arguments, file="many-nodes.sbatch", **env)
        self.until_rounds(3)
        return job

    def goes_on_to_the_same_bits(self, job):
        self.until_state(job, "PENDING")
        done = self.rounds_kept()
        self.configure(done + 2)
        self.cluster.release(job)
        self.until_state(job, "COMPLETED")
        self.assertIn(f"resuming after {done} round(s)", self.said())
        self.assert_uninterrupted(done + 2)

    def is_signalled(self, launcher, setting=None):
        job = self.start(LAUNCHER=launcher)
        if setting:
            self.assertTrue(processes(setting), f"no process has {setting}")
        self.cluster.tell("scancel", "--signal=USR1", "--batch", job)
        self.goes_on_to_the_same_bits(job)
        self.assertEqual(self.said().count("interrupted and saved after"), 1, self.said())

    def test_by_a_signal_under_mpirun(self):
        self.is_signalled("mpirun")

    def test_by_a_signal_under_srun(self):
        self.is_signalled("srun", "SLURM_PMIX_FENCE=tree")

    def is_preempted(self, launcher):
        job = self.start("--partition=low", LAUNCHER=launcher)
        other = self.cluster.submit(
            "--partition=high", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=true"
        )
        self.until_state(other, "COMPLETED")
        self.goes_on_to_the_same_bits(job)

    def test_by_preemption_under_srun_whose_ranks_save(self):
        self.is_preempted("srun")
        self.assertEqual(self.said().count("interrupted and saved after"), 1, self.said())

    def test_by_preemption_under_mpirun_whose_daemons_end_without_saving(self):
        self.is_preempted("mpirun")

    def test_by_a_requeue(self):
        job = self.start(LAUNCHER="mpirun")
        self.cluster.tell("scontrol", "requeue", job)
        self.goes_on_to_the_same_bits(job)

    def test_by_the_death_of_all_its_processes(self):
        job = self.start(LAUNCHER="srun")
        for pid in processes(f"SLURM_JOB_ID={job}"):
            os.kill(pid, signal.SIGKILL)
        self.until_state(job, "FAILED")
        self.cluster.tell("scontrol", "requeue", job)
        self.goes_on_to_the_same_bits(job)

    def test_the_death_of_one_rank_ends_the_others(self):
        job = self.start(LAUNCHER="srun")
        first = set(processes(f"SLURM_JOB_ID={job}")) & set(processes("SLURM_PROCID=1"))
        self.assertTrue(first)
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        self.until_state(job, "FAILED")
        self.until("all its ranks are gone", lambda: not processes(f"SLURM_JOB_ID={job}"))

    def test_by_its_user_it_is_not_queued_again(self):
        job = self.start(LAUNCHER="srun")
        self.cluster.tell("scancel", job)
        self.until_state(job, "CANCELLED")


class Jobs(OnCluster, support.ProgramTest):
    def test_one_node_trains_as_the_repository_has_it_with_options_after_the_file(self):
        self.configure(1)
        tasks = min(2, len(os.sched_getaffinity(0)))  # jobs/site.sh binds each to a core
        job = self.submit(
            f"--ntasks={tasks}",
            file="one-node.sbatch",
            options=("--run.rounds", 2),
            HARMOFL_SITE=str(JOBS / "site.sh"),
        )
        self.until_state(job, "COMPLETED")
        record = json.loads((self.output / "run.json").read_text())
        self.assertEqual(len(record["ranks"]), tasks)
        self.assertEqual(record["scheduler"]["SLURM_JOB_ID"], job)
        self.assert_uninterrupted(2)

    def test_an_array_trains_every_method_with_every_seed(self):
        self.configure(1)
        job = self.submit(
            "--ntasks=1",
            "--array=0-2",
            file="array.sbatch",
            METHODS="fedavg harmofl",
            SEEDS="3 5",
            STUDY=str(self.folder),
        )
        self.until_state(job, "COMPLETED")
        for method in ("fedavg", "harmofl"):
            for seed in (3, 5):
                record = json.loads((self.folder / f"{method}-seed{seed}/run.json").read_text())
                self.assertEqual(record["config"]["algorithm"]["name"], method)
                self.assertEqual(record["config"]["run"]["seed"], str(seed))
        self.assertEqual(len(list(self.folder.glob("*/summary.json"))), 4)

    def test_a_task_of_an_array_requeues_itself_alone(self):
        self.configure(FOR_EVER)
        job = self.submit(
            "--ntasks=1",
            "--array=0-1",
            file="array.sbatch",
            METHODS="fedavg",
            SEEDS="0 1",
            STUDY=str(self.folder),
        )
        self.until(
            "both tasks train",
            lambda: all((self.folder / f"fedavg-seed{seed}/metrics.jsonl").exists() for seed in (0, 1)),
        )
        for task, other in ((0, 1), (1, 0)):  # one of them has the number of the whole array
            self.cluster.tell("scancel", "--signal=USR1", "--batch", f"{job}_{task}")
            self.until_state(f"{job}_{task}", "PENDING")
            self.assertEqual(self.cluster.state(f"{job}_{other}"), ["RUNNING"])
            self.cluster.release(f"{job}_{task}")
            self.until_state(f"{job}_{task}", "RUNNING")
            self.until("training again", lambda times=task + 1: self.said().count("resuming after") == times)

    def test_a_run_that_fails_fails_the_job(self):
        self.configure(1)
        job = self.submit("--ntasks=1", file="one-node.sbatch", options=("--trian.lr", 1))
        self.until_state(job, "FAILED")
        self.assertIn("train.lr", self.said())

    def test_tasks_without_a_pmi_are_told_once_what_to_do(self):
        for tasks in (1, 2):
            result = support.run(["srun", "--mpi=none", "--ntasks", tasks, support.HARMOFL, "algorithms"])
            self.fails(result, 1, f"{tasks} task(s)", "srun --mpi=pmix", "mpirun -n 1")


class TimeLimit(OnCluster, support.ProgramTest):
    def test_a_chain_of_jobs_ends_in_time_and_goes_on_until_all_is_done(self):
        self.configure(FOR_EVER)
        # Slurm looks at time limits every 30 s, so the signal comes within that time.
        said = self.cluster.tell(
            "bash",
            JOBS / "chain.sh",
            3,
            "--time=1",
            "--signal=B:USR1@45",
            "--ntasks=2",
            f"--output={self.folder}/%j.out",
            JOBS / "one-node.sbatch",
            env=self.environment(),
        )
        first, second, third = said.split()
        self.cluster.tell("scontrol", "hold", second)
        self.until_state(first, "FAILED")  # exit status 75
        self.assertIn("interrupted and saved after", self.said())
        done = self.rounds_kept()
        self.configure(done + 1)
        self.cluster.tell("scontrol", "release", second)
        for job in (second, third):
            self.until_state(job, "COMPLETED")
        rounds = {entry["round"] for entry in support.metrics(self.output)}
        self.assertEqual(rounds, set(range(done + 1)))


if __name__ == "__main__":
    support.main()
