#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Interrupted runs: saved on a signal, continued to the same bits; refused when that cannot be."""

import json
import os
import pathlib
import signal
import unittest.mock

import support
from support import harmofl, metrics

SAVED = 75  # "interrupted and saved: call again with --resume"
ROUNDS = 6
FIRST_ROUND = "round 0 (1/"  # what a run says after its first round


class TinyRuns:
    """Runs of ROUNDS rounds and what they would have been without an interruption."""

    def setUp(self):
        super().setUp()
        self.output = self.folder / "run"

    def train(self, *arguments, output=None, rounds=ROUNDS, **options):
        return support.train(
            support.federation(),
            output or self.output,
            *support.TINY,
            "--run.rounds",
            rounds,
            *arguments,
            **options,
        )

    def uninterrupted(self):
        folder = support.shared_folder() / "uninterrupted"
        if not folder.exists():
            self.succeeds(self.train(output=folder))
        return folder

    def rounds_saved(self, result, code):
        """The run was interrupted and saved after so many rounds."""
        self.assertEqual(result.code, code, result)
        self.assertEqual(result.stderr.count("interrupted and saved after"), 1, result)
        self.assertIn("--resume", result.stderr)
        self.assertFalse((self.output / "summary.json").exists())
        return 1 + max(entry["round"] for entry in metrics(self.output))

    def resumes_to_the_same_bits(self, done, **options):
        self.assertTrue(1 <= done < ROUNDS, done)
        result = self.succeeds(self.train("--resume", **options))
        self.assertIn(f"resuming after {done} round(s)", result.stderr)
        self.assertNotIn(f"({done}/", result.stderr)
        self.assert_same_run(self.output, self.uninterrupted())


class Resume(TinyRuns, support.ProgramTest):
    def interrupt(self, number):
        result = self.train(when=FIRST_ROUND, then=lambda process: process.send_signal(number))
        return self.rounds_saved(result, SAVED)

    def test_every_signal_saves_and_resume_ends_with_the_same_bits(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
            with self.subTest(signal=number.name):
                self.output = self.folder / number.name
                self.resumes_to_the_same_bits(self.interrupt(number))

    def test_resume_on_another_number_of_ranks_ends_with_the_same_bits(self):
        self.resumes_to_the_same_bits(self.interrupt(signal.SIGTERM), ranks=2)

    def test_killed_between_checkpoints_goes_back_to_the_last(self):
        result = self.train("--run.save_every", 2, env={"HARMOFL_FAULT": "exit@train:0:3"})
        self.assertEqual(result.code, 9, result)
        self.succeeds(self.train("--resume"))
        self.assert_same_run(self.output, self.uninterrupted())

    def test_killed_before_the_first_checkpoint_starts_anew(self):
        result = self.train(env={"HARMOFL_FAULT": "exit@train:0:2"})
        self.assertEqual(result.code, 9, result)
        self.assertFalse((self.output / "checkpoint.h5").exists())
        self.succeeds(self.train("--resume"))
        self.assert_same_run(self.output, self.uninterrupted())

    def test_resume_of_nothing_starts_a_run(self):  # so a job script may always say --resume
        self.succeeds(self.train("--resume"))
        self.assert_same_run(self.output, self.uninterrupted())

    def test_more_rounds_go_on_as_if_asked_for_at_once(self):
        self.succeeds(self.train(rounds=2))
        self.succeeds(self.train("--resume"))
        self.assert_same_run(self.output, self.uninterrupted())


class ResumeUnderMpirun(TinyRuns, support.ProgramTest):
    """What becomes of signals sent to Open MPI's mpirun, or past it to its ranks."""

    def test_mpirun_forwards_sigusr1_and_returns_the_exit_code(self):
        result = self.train(ranks=2, when=FIRST_ROUND, then=lambda mpirun: mpirun.send_signal(signal.SIGUSR1))
        self.resumes_to_the_same_bits(self.rounds_saved(result, SAVED), ranks=2)

    def test_a_signal_to_a_single_rank_interrupts_all(self):
        def signal_last_rank(_):
            record = json.loads((self.output / "run.json").read_text())
            os.kill(record["ranks"][-1]["process_id"], signal.SIGTERM)

        result = self.train(ranks=2, when=FIRST_ROUND, then=signal_last_rank)
        self.resumes_to_the_same_bits(self.rounds_saved(result, SAVED), ranks=2)

    def test_sigterm_and_sigint_reach_the_ranks_after_a_grace_and_mpirun_returns_1(self):
        # mpirun waits odls_base_sigkill_timeout seconds, sends SIGTERM, waits again, sends SIGKILL.
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number.name):
                self.output = self.folder / number.name
                result = self.train(
                    ranks=2,
                    rounds=1000,
                    when=FIRST_ROUND,
                    then=lambda mpirun, n=number: mpirun.send_signal(n),
                    env={"OMPI_MCA_odls_base_sigkill_timeout": "3"},
                )
                done = self.rounds_saved(result, 1)
                again = self.succeeds(self.train("--resume", rounds=done + 1, ranks=2))
                self.assertIn(f"resuming after {done} round(s)", again.stderr)

    def test_the_launcher_of_jobs_turns_signals_into_a_saved_run_and_its_exit_code(self):
        launcher = str(pathlib.Path(__file__).resolve().parents[2] / "jobs/mpirun.sh")
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            with self.subTest(signal=number.name), unittest.mock.patch.object(support, "MPIEXEC", launcher):
                self.output = self.folder / number.name
                result = self.train(
                    ranks=2, when=FIRST_ROUND, then=lambda script, n=number: script.send_signal(n)
                )
                self.resumes_to_the_same_bits(self.rounds_saved(result, SAVED), ranks=2)


class Refusals(TinyRuns, support.ProgramTest):
    def test_a_used_folder_is_not_written_over(self):
        self.succeeds(self.train(rounds=1))
        before = self.files()
        self.fails(self.train(rounds=1), 1, self.output, "--resume")
        self.fails(self.train(rounds=1, ranks=2), 1, self.output, "--resume")
        self.assertEqual(before, self.files())

    def test_resume_with_another_configuration_is_refused_naming_the_key(self):
        self.succeeds(self.train(rounds=1))
        before = self.files()
        config = self.output / "config.ini"
        for key, value in (
            ("train.lr", "0.5"),
            ("model.width", "3"),
            ("run.seed", "7"),
            ("data.augment", "false"),
            ("algorithm.name", "fedavg"),
            ("comm.reduce", "fast"),
            ("device.precision", "bf16"),
        ):
            with self.subTest(key=key):
                result = harmofl(
                    "train", "--config", config, "--resume", f"--{key}", value, "--run.rounds", 2
                )
                self.fails(result, 1, "checkpoint.h5", f"{key} = ", value)
                self.assertEqual(before, self.files())

    def test_resume_from_a_damaged_checkpoint_is_refused(self):
        self.succeeds(self.train(rounds=1))
        checkpoint = self.output / "checkpoint.h5"
        with open(checkpoint, "r+b") as file:
            file.truncate(checkpoint.stat().st_size // 2)
        before = self.files()
        self.fails(self.train("--resume", ranks=2), 1, checkpoint)
        self.assertEqual(before, self.files())

    def files(self):
        return {path.name: path.read_bytes() for path in self.output.iterdir()}


if __name__ == "__main__":
    support.main()
