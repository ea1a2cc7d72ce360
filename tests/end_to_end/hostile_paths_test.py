#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Configurations, names and paths that are not what they seem, and places that must not be written."""

import os
import pathlib
import shutil
import subprocess
import unittest

import hostile
import support
from hostile import harmofl

CONFIG = "[data]\nbatch_size = 4\n[algorithm]\nname = fedavg\n[model]\nwidth = 4\n"


class Configuration(hostile.HostileTest):
    """What a run was told is what it does, and what it finds when it goes on."""

    def words(self, *arguments):
        shards = hostile.federation()
        return ("train", "--data.shards", shards, "--run.output", self.folder / "run", *arguments)

    def refuses(self, path, *texts, code, ranks=(None,)):
        self.refused(self.words("--config", path), path, *texts, code=code, ranks=ranks)
        self.assertFalse((self.folder / "run").exists())

    def test_files_that_cannot_be_read(self):
        self.refuses(self.folder, code=(1, 2), ranks=hostile.RANKS)
        self.refuses(self.folder / "nowhere.ini", code=(1, 2))
        self.refuses("/proc/self/mem", code=(1, 2))  # reading it fails amid the file

    def test_a_byte_order_mark_is_read_over_or_refused(self):
        path = self.folder / "run.ini"
        path.write_bytes(b"\xef\xbb\xbf" + CONFIG.encode())
        result = harmofl(*self.words("--config", path, "--dry-run"))
        if result.code == 0:
            self.assertIn("fedavg", result.stderr)
            self.assertIn("cnn of width 4", result.stderr)
        else:
            self.is_refusal(result, (1, 2), path, "byte-order mark")

    def test_files_that_are_not_text(self):
        path = self.folder / "run.ini"
        contents = (
            b"[data]\nbatch_size = 4\0" + b"9\n",
            CONFIG.encode("utf-16"),
            b"\x7fELF" + bytes(1000),
            b"[data\nbatch_size = 4\n",
            b"[data]\nbatch_size = 4\nbatch_size = 5\n",
            b"x" * 1_000_000,
        )
        for content in contents:
            path.write_bytes(content)
            with self.subTest(attack=content[:20]):
                self.refused(self.words("--config", path), code=(1, 2))
                self.assertFalse((self.folder / "run").exists())

    def test_values_survive_the_file_or_are_refused(self):
        """A run of that name goes on with the same words, and is called so, or is refused at once."""
        for name in ("exp #3", " outer ", "a\nseed = 7", '"a = [b]\\', ""):
            output = self.folder / "run"
            words = self.words(*hostile.SMALL, "--run.name", name, "--run.rounds")
            with self.subTest(attack=repr(name)):
                result = harmofl(*words, 1)
                if result.code != 0:
                    self.is_refusal(result, (1, 2), "run.name")
                    self.assertFalse((output / "checkpoint.h5").exists())
                    continue
                result = self.succeeds(harmofl(*words, 2, "--resume"))
                self.assertIn("resuming after 1", result.stderr)
                self.assertIn(f"run '{name}'", result.stderr)
            shutil.rmtree(output)

    def test_paths_survive_the_file_or_are_refused(self):
        folder = self.folder / "data #1 ; x"
        shutil.copytree(hostile.federation(), folder)
        words = ("--run.rounds", 1, *hostile.SMALL)
        output = self.folder / "run #2"
        result = support.train(folder, output, *words)
        if result.code != 0:
            return self.is_refusal(result, (1, 2), " #")
        path = output / "config.ini"
        words = ("--config", path, "--run.rounds", 2, "--resume", "--run.output", output)
        result = self.succeeds(harmofl("train", *words))
        self.assertIn("resuming after 1", result.stderr)

    def test_names_that_are_not_utf8(self):
        name = b"a\xffb".decode(errors="surrogateescape")
        self.refused(
            self.words(*hostile.SMALL, "--run.name", name),
            "run.name",
            "UTF-8",
            code=(1, 2),
            ranks=hostile.RANKS,
        )
        self.assertFalse((self.folder / "run" / "checkpoint.h5").exists())

    def test_values_that_forge_lines_or_fill_the_screen(self):
        self.refused(self.words("--data.weights", "\x1b[31mred\n\nerror: forged"), "forged", code=(1, 2))
        self.refused(self.words("--data.weights", "x" * 100_000), "data.weights", code=(1, 2))
        shards = "/tmp/\x1b[31mred\nerror: forged"
        words = ("train", "--data.shards", shards, "--run.output", self.folder / "run")
        self.refused(words, "forged", ranks=hostile.RANKS)

    def test_a_network_that_no_machine_holds(self):
        small = [word for word in hostile.SMALL if word not in ("--model.width", 4)]
        small[small.index("--data.batch_size") + 1 : small.index("--data.batch_size") + 1] = [4]
        for width in (1_000_000, 2**62):
            with self.subTest(attack=width):
                words = self.words(*small, "--model.width", width)
                ranks = hostile.RANKS if width == 1_000_000 else (None,)
                self.refused(words, "model.width", ranks=ranks)
                self.assertFalse((self.folder / "run" / "checkpoint.h5").exists())

    def test_batches_beyond_all_numbers(self):
        """A batch of more images than there are is a batch of all of them."""
        words = ("train", "--data.shards", hostile.federation(), "--run.rounds", 1)
        words = (*words, "--algorithm.name", "fedavg", "--model.width", 4, "--data.batch_size")
        for size in (6, 2**63 - 1):
            output = self.folder / f"run{size}"
            self.succeeds(harmofl(*words, size, "--run.output", output))
            lines = support.without_seconds(support.metrics(output))
            self.assertEqual(lines, support.without_seconds(support.metrics(self.folder / "run6")))

    def test_a_timeout_of_centuries_is_a_timeout(self):
        words = self.words(*hostile.SMALL, "--run.rounds", 1, "--comm.timeout")
        for ranks in hostile.RANKS:
            result = harmofl(*words, "1e10", ranks=ranks)
            self.succeeds(result)
            shutil.rmtree(self.folder / "run")
        self.succeeds(harmofl(*words, "1e300"))


class Output(hostile.HostileTest):
    """Nothing but regular files is written over, whoever runs the program."""

    def evaluate(self, output):
        best = hostile.trained() / "best.h5"
        words = ("evaluate", "--checkpoint", best, "--shards", hostile.federation())
        return (*words, "--output", output)

    def test_what_is_not_a_file(self):
        pipe, folder = self.folder / "pipe", self.folder / "folder"
        os.mkfifo(pipe)
        folder.mkdir()
        for path in (pipe, folder):
            with self.subTest(path.name):
                ranks = hostile.RANKS if path == pipe else (None,)
                self.refused(self.evaluate(path), path, ranks=ranks, unchanged=(self.folder,))
        pipe = pipe.rename(self.folder / "pipe.safetensors")
        words = ("export", "--checkpoint", hostile.trained() / "best.h5", "--output", pipe)
        self.refused(words, pipe, unchanged=(self.folder,))

    def test_what_is_read_is_not_written_over(self):
        path = pathlib.Path(shutil.copy(hostile.trained() / "best.h5", self.folder))
        shards = hostile.federation()
        words = ("evaluate", "--checkpoint", path, "--shards", shards, "--output")
        self.refused((*words, path), path, ranks=(None,), unchanged=(self.folder,))

    def test_a_folder_that_is_not_there(self):
        path = self.folder / "nowhere" / "table.json"
        self.refused(self.evaluate(path), path, ranks=(2,))

    def test_shards_that_are_there_are_not_mixed_with_others(self):
        shards = shutil.copytree(hostile.federation(), self.folder / "shards")
        words = ("synthesize", "--output", shards, "--sites", 1, "--train", 3, "--size", "16x16")
        self.refused(words, shards, ranks=(None,), unchanged=(shards,))

    def test_a_surface_of_points_without_end(self):
        words = ("analyse", "surface", "--checkpoint", hostile.trained() / "best.h5")
        words = (*words, "--shards", hostile.federation(), "--output", self.folder / "surface")
        result = harmofl(*words, "--points", 2**40)
        self.is_refusal(result, 2, "points")

    def test_a_run_folder_whose_files_are_not_files(self):
        output = self.folder / "run"
        for name in ("config.ini", "metrics.jsonl"):
            output.mkdir()
            os.mkfifo(output / name)
            words = ("train", "--data.shards", hostile.federation(), "--run.output", output)
            with self.subTest(attack=name):
                command = (*words, *hostile.SMALL, "--run.rounds", 1)
                self.refused(command, output, ranks=(None,), unchanged=(output / name,))
            shutil.rmtree(output)

    def test_a_lock_that_is_a_link(self):
        victim = self.folder / "victim"
        victim.write_text("precious")
        output = self.folder / "run"
        output.mkdir()
        (output / ".lock").symlink_to(victim)
        words = ("train", "--data.shards", hostile.federation(), "--run.output", output)
        self.refused((*words, *hostile.SMALL), output / ".lock", unchanged=(self.folder,))

    def test_a_link_in_the_place_of_a_temporary_file(self):
        """The number of the process, which another container may have too, is known here: a small one."""
        victim = self.folder / "victim"
        victim.write_text("precious")
        for number in range(1, 40):
            (self.folder / f".table.json.tmp.{number}").symlink_to(victim)
        command = ("unshare", "--pid", "--fork", "--mount-proc")
        if subprocess.run((*command, "true"), capture_output=True, check=False).returncode != 0:
            raise unittest.SkipTest("no process of a namespace of its own can be started")
        words = (*command, support.HARMOFL, *self.evaluate(self.folder / "table.json"))
        result = hostile.run(words)
        self.assertEqual(victim.read_text(), "precious", result)
        self.succeeds(result)
        self.assertFalse((self.folder / "table.json").is_symlink())

    def test_a_full_disk_behind_stdout(self):
        """What was asked for did not come, so that the exit status is not that of success."""
        best = str(hostile.trained() / "best.h5")
        shards = str(hostile.federation())
        commands = (
            ("evaluate", "--checkpoint", best, "--shards", shards),
            ("inspect", best),
            ("--version",),
        )
        for words in commands:
            for ranks in hostile.RANKS if words[0] == "evaluate" else (None,):
                launcher = () if ranks is None else (support.MPIEXEC, "-n", str(ranks))
                # mpirun hands on what ranks print by itself: here each rank has the full disk.
                shell = (*launcher, "sh", "-c", 'exec "$0" "$@" > /dev/full', support.HARMOFL, *words)
                with self.subTest(attack=words[0], ranks=ranks):
                    result = hostile.run(shell)
                    self.is_refusal(result, 1, "No space left on device")

    def test_a_table_that_goes_to_a_closed_pipe_or_nowhere(self):
        words = ("train", "--help")
        for redirection in ("| true", ">&-"):
            shell = f'set -o pipefail; sleep 0 | "$0" "$@" {redirection}'
            with self.subTest(attack=redirection):
                result = hostile.run(("bash", "-c", shell, support.HARMOFL, *words))
                self.assertIn(result.code, (0, 1, 141), result)
                self.assertNotIn("ended by a signal", result.stderr)


class Closed(hostile.HostileTest):
    """Descriptors 0 to 2 that are closed before the start must not become files of the run."""

    def test_a_run_without_stdin_stdout_and_stderr(self):
        output = self.folder / "run"
        words = ["train", "--data.shards", hostile.federation(), "--run.output", output, *hostile.SMALL]
        shell = '"$0" "$@" <&- >&- 2>&-'
        command = ("bash", "-c", shell, support.HARMOFL, *words, "--run.rounds", 1)
        self.assertEqual(hostile.run(command).code, 0)
        for path in pathlib.Path(output).iterdir():
            self.assertNotIn(b"round 0 (1/", path.read_bytes(), path)
        self.assertIn("after 1 rounds", self.succeeds(harmofl("inspect", output / "checkpoint.h5")).stdout)
        self.assertTrue((output / "summary.json").exists())


if __name__ == "__main__":
    support.main()
