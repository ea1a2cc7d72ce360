#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs that are killed (kill -9) at 50 moments: nothing is lost but the rounds since the last save.

Each run saves after every round, is killed again and again, and is resumed each time. The moments
are random, drawn from a seed, in time or in the life of the file that a checkpoint is written to.
"""

import os
import pathlib
import random
import re
import signal
import subprocess
import time

import support
from support import harmofl, metrics

EXIT = 9  # of an injected fault
NEVER = 100000  # rounds that a run does not reach before it is killed
MOST_ROUNDS = 4  # of a process that is killed at a random time, however fast the machine is
ROUNDS = 6
FIRST_ROUND = "round 0 (1/"
PATIENCE = 60  # seconds


def processes_of(session):
    """The processes of a session that still run, its leader first."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue  # it ended meanwhile
        if int(of) == session and state != "Z":
            found.append(int(stat.parent.name))
    return sorted(found)


def wait_for(condition, process):
    """Polls until `condition()` is true; false when the process ended before."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if process.poll() is not None:
            return False
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not come to that within {PATIENCE} s")
        time.sleep(0.0005)
    return True


class KilledRuns:
    """A run in `self.output` that is killed and resumed, and what it must have kept."""

    SEED = 0
    RANKS = None

    def setUp(self):
        super().setUp()
        self.output = self.folder / "run"
        self.random = random.Random(self.SEED)
        self.saved = 0  # rounds of the last checkpoint seen
        self.leftovers = 0  # kills that left a half-written file
        # Nothing of Open MPI's that a killed job leaves may outlive the test.
        scratch = self.folder / "scratch"
        scratch.mkdir()
        self.environment = {
            **os.environ,
            "TMPDIR": str(scratch),
            "OMPI_MCA_btl_vader_backing_directory": str(scratch),
        }

    def arguments(self, rounds, output=None):
        return [
            str(word)
            for word in (
                "train",
                "--data.shards",
                support.federation(),
                "--run.output",
                output or self.output,
                *support.TINY,
                "--run.save_every",
                1,
                "--run.rounds",
                rounds,
                "--resume",
            )
        ]

    def run_until(self, moment):
        """Starts or resumes the run and kills all of it when `moment(process)` returns."""
        launcher = () if self.RANKS is None else (support.MPIEXEC, "-n", str(self.RANKS))
        with open(self.folder / "stderr", "wb") as said:
            process = subprocess.Popen(
                [*launcher, support.HARMOFL, *self.arguments(NEVER)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
                env=self.environment,
            )
        try:
            moment(process)
        finally:
            self.kill(process)
        self.assertEqual(
            process.returncode, -signal.SIGKILL, (self.folder / "stderr").read_text(errors="replace")
        )

    @staticmethod
    def kill(process):
        while running := processes_of(process.pid):
            for number in running:
                try:
                    os.kill(number, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.001)
        process.wait()

    def rounds_in(self, checkpoint):
        """Rounds of a checkpoint, all of which `harmofl inspect` has verified."""
        text = self.succeeds(harmofl("inspect", checkpoint)).stdout
        self.assertIn("every checksum verified", text)
        return int(re.search(r"after (\d+) rounds", text)[1])

    def check_what_is_left(self):
        """The checkpoint is whole, and at most the round that was not saved yet is lost."""
        names = os.listdir(self.output) if self.output.exists() else []
        self.leftovers += any(".tmp." in name for name in names)
        reported = 0
        if "metrics.jsonl" in names:
            lines = (self.output / "metrics.jsonl").read_text().splitlines(keepends=True)
            whole = [line for line in lines if line.endswith("\n")]
            reported = len({line for line in re.findall(r'"round":(\d+)', "".join(whole))})
        saved = self.rounds_in(self.output / "checkpoint.h5") if "checkpoint.h5" in names else 0
        self.assertIn(saved, (reported - 1, reported), names)
        self.assertGreaterEqual(saved, self.saved, "a saved round was lost")
        self.saved = saved

    def check_the_end(self):
        """Resumed to its end, the run has the bits of one that nobody killed."""
        self.succeeds(harmofl(*self.arguments(self.saved + 2), ranks=self.RANKS))
        whole = self.folder / "whole"
        self.succeeds(harmofl(*self.arguments(self.saved + 2, whole)))
        self.assert_same_run(self.output, whole)
        self.assertEqual(sorted(os.listdir(self.output)), sorted(os.listdir(whole)))
        self.assertIn(f"checkpoint-{self.saved + 1:06}.h5", os.listdir(self.output))

    def survives(self, moments):
        for number, moment in enumerate(moments):
            with self.subTest(kill=number):
                self.run_until(moment)
                self.check_what_is_left()
        self.assertGreater(self.saved, 0, "no run lived long enough to save")
        self.check_the_end()

    def at_random_times(self, count):
        """Moments from the start of the program, and of every other run from its first round, which comes
        late on a busy machine, to a few rounds after it."""
        began = time.monotonic()
        self.succeeds(harmofl(*self.arguments(2, self.folder / "measured"), ranks=self.RANKS))
        longest = time.monotonic() - began

        def moment(delay, rounds):
            def wait(process):
                wait_for(lambda: self.rounds_said() >= rounds, process)
                end = time.monotonic() + delay
                wait_for(lambda: time.monotonic() >= end or self.rounds_said() >= MOST_ROUNDS, process)

            return wait

        return [moment(self.random.uniform(0, longest), rounds=number % 2) for number in range(count)]

    def rounds_said(self):
        """Rounds that the present process has done, as it says itself."""
        return (self.folder / "stderr").read_bytes().count(b"\nround ")

    def in_saves(self, count, names):
        """Moments at which a file of `names` is being written, of one of the next rounds."""

        def moment(target, times):
            def being_written():
                try:
                    return any(name.startswith(f".{target}.tmp.") for name in os.listdir(self.output))
                except FileNotFoundError:
                    return False

            def wait(process):
                for _ in range(times):
                    wait_for(lambda: not being_written(), process)
                    wait_for(being_written, process)
                time.sleep(self.random.choice((0, 0.001, 0.003, 0.006, 0.01)))

            return wait

        return [moment(self.random.choice(names), self.random.randint(1, 2)) for _ in range(count)]


class KilledAtRandomTimes(KilledRuns, support.ProgramTest):
    SEED = 1

    def test_a_run_killed_20_times_ends_with_the_same_bits(self):
        self.survives(self.at_random_times(20))


class KilledInSaves(KilledRuns, support.ProgramTest):
    SEED = 2

    def test_a_run_killed_in_20_saves_ends_with_the_same_bits(self):
        self.survives(self.in_saves(20, ("checkpoint.h5",)))
        self.assertGreater(self.leftovers, 0, "no kill fell into a save")


class KilledUnderMpirun(KilledRuns, support.ProgramTest):
    SEED = 3
    RANKS = 2

    def test_a_job_of_two_ranks_killed_10_times_ends_with_the_same_bits(self):
        moments = self.at_random_times(5) + self.in_saves(5, ("checkpoint.h5",))
        self.random.shuffle(moments)
        self.survives(moments)


class SavingRuns:
    """Runs of ROUNDS rounds that save after each, and what becomes of one whose root leaves."""

    def setUp(self):
        super().setUp()
        self.output = self.folder / "run"

    def train(self, *arguments, output=None, rounds=ROUNDS, save_every=1, **options):
        return support.train(
            support.federation(),
            output or self.output,
            *support.TINY,
            "--run.rounds",
            rounds,
            "--run.save_every",
            save_every,
            *arguments,
            **options,
        )

    def ends_like_one_that_never_stopped(self, result):
        self.succeeds(result)
        whole = support.shared_folder() / "saved-every-round"
        if not whole.exists():
            self.succeeds(self.train(output=whole))
        self.assert_same_run(self.output, whole)
        return result

    def names(self):
        return sorted(os.listdir(self.output))

    def rounds_in(self, name):
        text = self.succeeds(harmofl("inspect", self.output / name)).stdout
        return int(re.search(r"after (\d+) rounds", text)[1])


class Saves(SavingRuns, support.ProgramTest):
    def test_a_kill_between_any_two_steps_of_a_save_loses_nothing_that_was_saved(self):
        for place, saved in (("save", 2), ("save-written", 2), ("save-linked", 2), ("save-placed", 3)):
            with self.subTest(place=place):
                self.output = self.folder / place
                result = self.train(env={"HARMOFL_FAULT": f"exit@{place}:0:3"})
                self.assertEqual(result.code, EXIT, result)
                self.assertEqual(self.rounds_in("checkpoint.h5"), saved)
                again = self.ends_like_one_that_never_stopped(self.train("--resume"))
                self.assertIn(f"resuming after {saved} round(s)", again.stderr)
                self.assertNotIn("warning", again.stderr)
                self.assertEqual(
                    [name for name in self.names() if "checkpoint" in name],
                    ["checkpoint-000005.h5", "checkpoint.h5"],
                )
                self.assertEqual([name for name in self.names() if name.startswith(".")], [])

    def test_a_kill_between_steps_under_mpirun(self):
        result = self.train(env={"HARMOFL_FAULT": "exit@save-written:0:3"}, ranks=2)
        self.assertNotEqual(result.code, 0, result)
        self.assertEqual(self.rounds_in("checkpoint.h5"), 2)
        self.ends_like_one_that_never_stopped(self.train("--resume", ranks=2))

    def test_so_many_checkpoints_are_kept_as_asked_for(self):
        for keep, kept in ((1, []), (3, ["checkpoint-000002.h5", "checkpoint-000003.h5"])):
            with self.subTest(keep=keep):
                self.output = self.folder / str(keep)
                self.succeeds(self.train("--run.keep", keep, rounds=4))
                self.assertEqual(
                    [name for name in self.names() if name.startswith("checkpoint")], [*kept, "checkpoint.h5"]
                )
                self.assertEqual([self.rounds_in(name) for name in kept], [2, 3][: len(kept)])
        self.fails(self.train("--run.keep", 0), 2, "run.keep = 0")

    def test_minutes_since_the_last_save_ask_for_one(self):
        for ranks in (None, 2):
            with self.subTest(ranks=ranks):
                self.output = self.folder / f"ranks-{ranks}"
                result = self.train(
                    "--run.save_minutes",
                    1e-9,
                    save_every=NEVER,
                    ranks=ranks,
                    env={"HARMOFL_FAULT": "exit@train:0:3"},
                )
                self.assertNotEqual(result.code, 0, result)
                self.assertEqual(self.rounds_in("checkpoint.h5"), 3)
        self.fails(self.train("--run.save_minutes", -1), 2, "run.save_minutes = -1")

    def test_minutes_that_have_not_passed_do_not(self):
        result = self.train(
            "--run.save_minutes", 1000, save_every=NEVER, env={"HARMOFL_FAULT": "exit@train:0:3"}
        )
        self.assertEqual(result.code, EXIT, result)
        self.assertEqual([name for name in self.names() if name.startswith("checkpoint")], [])

    def test_what_is_kept_and_when_is_saved_may_change_on_resume(self):
        self.succeeds(self.train("--run.keep", 4, rounds=4))
        self.ends_like_one_that_never_stopped(
            self.train("--run.keep", 1, "--run.save_minutes", 5, "--resume")
        )
        self.assertEqual([name for name in self.names() if name.startswith("checkpoint")], ["checkpoint.h5"])


class DamagedCheckpoints(SavingRuns, support.ProgramTest):
    def cut(self, name):
        path = self.output / name
        with open(path, "r+b") as file:
            file.truncate(path.stat().st_size // 2)

    def test_the_one_before_a_truncated_one_is_taken_and_said(self):
        for ranks in (None, 2):
            with self.subTest(ranks=ranks):
                self.output = self.folder / f"ranks-{ranks}"
                self.succeeds(self.train(rounds=4))
                self.cut("checkpoint.h5")
                again = self.ends_like_one_that_never_stopped(self.train("--resume", ranks=ranks))
                said = [
                    line
                    for line in again.stderr.splitlines()
                    if line.startswith("warning") and "checkpoint.h5: cannot be opened" in line
                ]
                self.assertEqual(len(said), 1, again)
                self.assertIn("Going on from", said[0])
                self.assertIn("checkpoint-000003.h5", said[0])
                self.assertIn("resuming after 3 round(s)", again.stderr)
                self.assertIn("checkpoint.h5.damaged", self.names())

    def test_a_flipped_bit_anywhere_is_noticed(self):
        self.succeeds(self.train(rounds=3))
        path = self.output / "checkpoint.h5"
        with open(path, "r+b") as file:
            file.seek(path.stat().st_size // 3)
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 0x40]))
        again = self.ends_like_one_that_never_stopped(self.train("--resume"))
        self.assertIn("checkpoint.h5: its content does not match the checksum at its end", again.stderr)

    def test_with_none_intact_the_run_is_refused_naming_all(self):
        self.succeeds(self.train(rounds=3))
        self.cut("checkpoint.h5")
        self.cut("checkpoint-000002.h5")
        before = {name: (self.output / name).read_bytes() for name in self.names()}
        for ranks in (None, 2):
            self.fails(
                self.train("--resume", ranks=ranks),
                1,
                "no checkpoint is intact",
                self.output / "checkpoint.h5",
                self.output / "checkpoint-000002.h5",
            )
        self.assertEqual(before, {name: (self.output / name).read_bytes() for name in before})

    def test_a_folder_with_an_older_checkpoint_alone_is_resumed(self):
        self.succeeds(self.train(rounds=3))
        (self.output / "checkpoint.h5").unlink()
        self.fails(self.train(rounds=3), 1, "holds a run already")
        again = self.ends_like_one_that_never_stopped(self.train("--resume"))
        self.assertIn("resuming after 2 round(s)", again.stderr)


class TwoJobs(SavingRuns, support.ProgramTest):
    """One run folder is written by one job at a time."""

    def test_a_second_job_is_refused_and_told_who_holds_the_folder(self):
        refused = []

        def start_others(process):
            number = process.pid
            for ranks in (None, 2):
                refused.append(self.train("--resume", rounds=NEVER, ranks=ranks))
            refused.append(self.train(rounds=NEVER))
            process.kill()
            return number

        holder = []
        self.train(
            rounds=NEVER,
            when=FIRST_ROUND,
            env={"SLURM_JOB_ID": "4711"},
            then=lambda process: holder.append(start_others(process)),
        )
        self.assertEqual(len(refused), 3)
        for result in refused:
            self.fails(
                result,
                1,
                self.output / ".lock",
                "another job writes to this run folder",
                f"process {holder[0]} on ",
                "Slurm job 4711",
                "run.output",
            )
        # kill -9 let go of the folder.
        done = 1 + max(entry["round"] for entry in metrics(self.output))
        self.succeeds(self.train("--resume", rounds=done + 2))
        self.assertNotIn(".lock", self.names())


if __name__ == "__main__":
    support.main()
