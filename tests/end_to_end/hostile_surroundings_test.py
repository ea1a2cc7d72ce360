#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""File systems that fail, clocks that jump, other locales, users and environments."""

import errno
import functools
import os
import pathlib
import shutil
import subprocess
import unittest

import hostile
import support
from hostile import harmofl

FAILING = pathlib.Path(__file__).with_name("failing_calls.cpp")
HALF = 0  # of the bytes are moved


@functools.cache
def failing_calls():
    """The library whose calls fail, built once; skips where nothing builds it."""
    compiler = shutil.which("c++")
    if compiler is None:
        raise unittest.SkipTest("there is no c++ to build the library of failing calls with")
    library = support.shared_folder() / "failing_calls.so"
    words = (compiler, "-std=c++20", "-O1", "-shared", "-fPIC", "-o", library, FAILING, "-ldl")
    subprocess.run(words, check=True)
    return library


def failing(path, *calls):
    """The environment in which the calls (name, error, good ones before, times) on `path` fail."""
    plan = " ".join(f"{name}:{error}:{skip}:{times}" for name, error, skip, times in calls)
    return {"LD_PRELOAD": str(failing_calls()), "FAILING_PATH": str(path), "FAILING_CALLS": plan}


def always(name, error):
    return (name, error, 0, 1_000_000)


class FileSystems(hostile.HostileTest):
    """Calls that fail as on network file systems: one line, nothing half-written, resumed as if nothing
    had been; or no failure at all."""

    def setUp(self):
        super().setUp()
        self.output = self.folder / "run"

    def words(self, *arguments, output=None):
        words = ("train", "--data.shards", hostile.federation(), "--run.output", output or self.output)
        return (*words, *hostile.SMALL, "--run.rounds", 2, *arguments)

    def whole(self):
        folder = support.shared_folder() / "two-rounds"
        if not folder.exists():
            self.succeeds(harmofl(*self.words(output=folder)))
        return folder

    def test_calls_that_fail_end_the_run_with_one_line(self):
        attacks = (
            ("rename to another device", "checkpoint.h5", always("rename", errno.EXDEV)),
            ("sync", "checkpoint.h5", ("fsync", errno.EIO, 0, 1)),
            ("quota told when closed", "checkpoint.h5", always("close", errno.EDQUOT)),
            ("quota of the lines told when closed", "metrics.jsonl", always("close", errno.EDQUOT)),
            ("no space within the file", "checkpoint.h5", always("pwrite", errno.ENOSPC)),
            ("no more files", "best.h5", always("open", errno.EMFILE)),
        )
        for name, path, call in attacks:
            for ranks in hostile.RANKS if path == "checkpoint.h5" and call[0] == "pwrite" else (None,):
                with self.subTest(attack=name, ranks=ranks):
                    shutil.rmtree(self.output, ignore_errors=True)
                    result = harmofl(*self.words(), ranks=ranks, env=failing(path, call))
                    self.is_refusal(result, 1, self.output / path, os.strerror(call[1]))
                    self.assertEqual([file for file in os.listdir(self.output) if ".tmp" in file], [])
        self.succeeds(harmofl(*self.words("--resume")))
        self.assert_same_run(self.output, self.whole())

    def test_what_need_not_fail_does_not(self):
        attacks = (
            ("half of each write", "run", [always("write", HALF), always("pwrite", HALF)], ""),
            ("half of each read", "run", [always("read", HALF), always("pread", HALF)], ""),
            ("interrupted", "run", [("write", errno.EINTR, 0, 3), ("pwrite", errno.EINTR, 0, 3)], ""),
            ("no second names", "run", [always("link", errno.EPERM)], ""),
            ("no locks", "run/.lock", [always("flock", errno.ENOLCK)], "has no locks"),
        )
        for name, path, calls, warning in attacks:
            with self.subTest(attack=name):
                result = self.succeeds(harmofl(*self.words(), env=failing(path, *calls)))
                self.assertIn(warning, result.stderr)
                self.assert_same_run(self.output, self.whole())
                shutil.rmtree(self.output)

    def test_a_checkpoint_that_cannot_be_read_now_is_not_a_damaged_one(self):
        for call in (("open", errno.EMFILE), ("read", errno.EIO), ("pread", errno.ESTALE)):
            shutil.copytree(hostile.trained(), self.output)
            shutil.copy(self.output / "checkpoint.h5", self.output / "checkpoint-000000.h5")
            with self.subTest(attack=call[0]):
                before = hostile.contents(self.output)
                result = harmofl(*self.words("--resume"), env=failing("run/checkpoint.h5", always(*call)))
                if result.code != 0 or "resuming after 1" not in result.stderr or "damaged" in result.stderr:
                    self.is_refusal(result, 1, self.output / "checkpoint.h5", os.strerror(call[1]))
                    self.is_as_before(before, self.output)
                self.assertFalse((self.output / "checkpoint.h5.damaged").exists())
            shutil.rmtree(self.output)

    def test_a_shard_that_cannot_be_read_now(self):
        for ranks, call in ((None, always("open", errno.EMFILE)), (2, always("pread", errno.EIO))):
            path = hostile.federation() / "site_1.h5"
            with self.subTest(attack=call[0]):
                result = harmofl(*self.words(), ranks=ranks, env=failing(path, call))
                self.is_refusal(result, 1, path)
                shutil.rmtree(self.output, ignore_errors=True)

    def test_a_disk_without_inodes(self):
        self.output.mkdir()
        with hostile.mounted(self.output, "-o", "size=8m,nr_inodes=5"):
            result = harmofl(*self.words())
            self.is_refusal(result, 1, self.output, "No space left on device")


class Surroundings(hostile.HostileTest):
    """What a program finds around it changes nothing, or is named."""

    def setUp(self):
        super().setUp()
        self.output = self.folder / "run"

    def words(self, *arguments):
        words = ("train", "--data.shards", hostile.federation(), "--run.output", self.output)
        return (*words, *hostile.SMALL, "--run.rounds", 1, *arguments)

    def trains_the_same(self, **options):
        result = self.succeeds(harmofl(*self.words(), **options))
        self.assert_same_run(self.output, hostile.trained())
        shutil.rmtree(self.output)
        return result

    def test_a_locale_with_commas(self):
        locales = self.folder / "locales"
        locales.mkdir()
        words = ("localedef", "-i", "de_DE", "-f", "UTF-8", locales / "de_DE.UTF-8")
        if shutil.which("localedef") is None or subprocess.run(words, capture_output=True).returncode != 0:
            raise unittest.SkipTest("localedef makes no locale de_DE.UTF-8 here")
        german = {"LOCPATH": str(locales), "LC_ALL": "de_DE.UTF-8"}
        said = subprocess.run(["printf", "%.1f", "1,5"], env={**os.environ, **german}, capture_output=True)
        self.assertEqual(said.stdout, b"1,5")
        self.trains_the_same(env=german)
        self.refused(self.words("--train.lr", "0,005"), "train.lr", code=2, ranks=(None,), env=german)

    def test_times_of_files_in_the_future(self):
        shutil.copytree(hostile.trained(), self.output)
        for path in self.output.iterdir():
            os.utime(path, (2**33, 2**33))
        result = self.succeeds(harmofl(*self.words("--resume")))
        self.assertIn("resuming after 1", result.stderr)

    def test_variables_that_hold_anything(self):
        for variables in (
            {"OMP_NUM_THREADS": "abc", "SLURM_CPUS_PER_TASK": "-4", "SLURM_PROCID": "x"},
            {"SLURM_NTASKS": "garbage", "SLURM_JOB_ID": "x\x1b[31m\ny", "OMPI_COMM_WORLD_RANK": "7"},
            {"HDF5_DRIVER": "core", "HDF5_USE_FILE_LOCKING": "TRUE", "LC_ALL": "xx_YY.none"},
        ):
            with self.subTest(attack=variables):
                self.trains_the_same(env=variables)

    def test_a_job_number_that_is_not_utf8(self):
        result = harmofl(*self.words(), env={"SLURM_JOB_ID": b"\xff".decode(errors="surrogateescape")})
        if result.code != 0:
            self.is_refusal(result, 1, "SLURM_JOB_ID")

    def test_a_fault_that_is_none(self):
        for fault in ("garbage", "throw@train", "explode@train:0:0"):
            with self.subTest(attack=fault):
                result = harmofl(*self.words(), env={"HARMOFL_FAULT": fault})
                if result.code != 0:
                    self.is_refusal(result, result.code, "HARMOFL_FAULT")
                else:
                    self.assertIn("HARMOFL_FAULT", result.stderr)
            shutil.rmtree(self.output, ignore_errors=True)

    def test_a_reader_of_stderr_that_is_gone(self):
        shell = '"$0" "$@" 2>&1 | head -n 1; exit ${PIPESTATUS[0]}'
        result = hostile.run(("bash", "-c", shell, support.HARMOFL, *self.words()))
        self.assertEqual(result.code, 0, result)
        self.assertTrue((self.output / "summary.json").exists())

    def test_somebody_without_rights_and_without_a_home(self):
        become = hostile.as_nobody()
        for folder in (self.folder, support.shared_folder()):
            folder.chmod(0o777 if folder == self.folder else 0o755)
        scratch = self.folder / "scratch"  # of MPI
        scratch.mkdir()
        scratch.chmod(0o777)
        env = {"TMPDIR": str(scratch), "HOME": "/nonexistent"}
        self.trains_the_same(preexec=become, env=env)
        shards = shutil.copytree(hostile.federation(), self.folder / "shards")
        words = ("train", "--data.shards", shards, "--run.output", self.output, *hostile.SMALL)
        (shards / "site_1.h5").chmod(0)
        result = harmofl(*words, preexec=become, env=env)
        self.is_refusal(result, 1, shards / "site_1.h5")
        shards.chmod(0o711)  # may be gone through, not listed
        result = harmofl(*words, preexec=become, env=env)
        self.is_refusal(result, 1, shards, "Permission denied")


if __name__ == "__main__":
    support.main()
