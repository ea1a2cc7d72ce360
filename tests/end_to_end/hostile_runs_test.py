#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs whose data, lines or surroundings have changed: never silently another result."""

import json
import os
import resource
import shutil
import signal

import hostile
import support
from hostile import harmofl

SAVED = 75
FIRST_ROUND = "round 0 (1/"
ACCEPT = "--accept-changed-data"


class ChangedData(hostile.HostileTest):
    """A run goes on with the data that it began with, or says that it does not."""

    def setUp(self):
        super().setUp()
        self.output = shutil.copytree(hostile.trained(), self.folder / "run")
        self.shards = shutil.copytree(hostile.federation(), self.folder / "shards")
        other = self.folder / "other"
        words = ("synthesize", "--output", other, "--task", "classification", "--size", "16x16")
        words += ("--sites", 3, "--train", 6, "--val", 2, "--test", 2, "--seed", 9)
        self.succeeds(harmofl(*words))
        self.other = other

    def words(self, *arguments):
        words = ("train", "--data.shards", self.shards, "--run.output", self.output, *hostile.SMALL)
        return (*words, "--run.rounds", 2, "--resume", *arguments)

    def refuses(self, *texts, ranks=(None,)):
        self.refused(self.words(), *texts, ranks=ranks, unchanged=(self.output, self.shards))

    def test_the_same_shards_elsewhere_are_the_same(self):
        result = self.succeeds(harmofl(*self.words()))
        self.assertIn("resuming after 1", result.stderr)
        self.assertNotIn("changed", result.stderr)

    def test_a_shard_that_is_gone(self):
        (self.shards / "site_1.h5").unlink()
        self.refuses("site_1", ACCEPT, ranks=hostile.RANKS)

    def test_other_content_of_the_same_shape(self):
        shutil.copy(self.other / "site_1.h5", self.shards)
        self.refuses("site_1", "train", ACCEPT, ranks=(2,))

    def test_other_labels_of_the_same_images(self):
        shard = self.shards / "site_1.h5"
        with support.h5(shard, "r+") as file:
            labels = file["val/labels"][()]
            self.assertNotEqual(labels.tolist(), labels[::-1].tolist())
            file["val/labels"][...] = labels[::-1]
        support.mend_checksum(shard, "/val/labels")
        self.refuses("site_1", "val", ACCEPT)

    def test_another_shard(self):
        shutil.copy(self.other / "site_2.h5", self.shards)
        self.refuses("site_2")

    def test_shards_that_changed_their_names(self):
        for one, other in (("site_0", "x"), ("site_1", "site_0"), ("x", "site_1")):
            (self.shards / f"{one}.h5").rename(self.shards / f"{other}.h5")
        for name, site in (("site_0", "site_0"), ("site_1", "site_1")):
            with support.h5(self.shards / f"{name}.h5", "r+") as file:
                file.attrs["site"] = site
        self.refuses("site_0", ACCEPT)

    def test_changed_data_that_somebody_means(self):
        before = json.loads((self.output / "run.json").read_text())
        shutil.copy(self.other / "site_1.h5", self.shards)
        for ranks in hostile.RANKS:
            result = harmofl(*self.words(ACCEPT), ranks=ranks)
            self.assertIn("site_1", self.succeeds(result).stderr)
            text = (self.output / "run.json").read_text()
            # The record says what the run began with beside what it goes on with.
            self.assertIn(before["shards"][1]["train"]["xxh3"], text)
            self.assertNotEqual(json.loads(text)["shards"][1]["train"], before["shards"][1]["train"])
            shutil.rmtree(self.output)
            shutil.copytree(hostile.trained(), self.output)


class ChangedRunFolder(hostile.HostileTest):
    """Lines and records of a run folder that somebody wrote to."""

    def setUp(self):
        super().setUp()
        self.output = shutil.copytree(hostile.trained(), self.folder / "run")

    def words(self, rounds=2):
        words = ("train", "--data.shards", hostile.federation(), "--run.output", self.output)
        return (*words, *hostile.SMALL, "--run.rounds", rounds, "--resume")

    def test_lines_that_are_not_of_a_run(self):
        path = self.output / "metrics.jsonl"
        lines = path.read_text()
        for line in ('{"round":"x"}', '{"round":null}', "7"):
            with self.subTest(attack=line[:20]):
                path.write_text(line + "\n" + lines)
                ranks = hostile.RANKS if "x" in line else (None,)
                self.refused(self.words(), path, ranks=ranks, unchanged=(self.output,))

    def test_a_line_amid_others_that_is_none_is_not_dropped_in_silence(self):
        path = self.output / "metrics.jsonl"
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join([*lines[:2], "garbage\n", *lines[2:]]))
        self.refused(self.words(), path, unchanged=(self.output,))

    def test_a_checkpoint_that_is_not_there_is_not_a_new_beginning(self):
        """Only a folder without checkpoints is begun anew, not one whose checkpoint cannot be had."""
        path = self.output / "checkpoint.h5"
        for name, make in (
            ("dangling link", lambda: path.symlink_to(self.folder / "nowhere.h5")),
            ("FIFO", lambda: os.mkfifo(path)),
            ("folder", path.mkdir),
        ):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            make()
            ranks = hostile.RANKS if name == "dangling link" else (None,)
            with self.subTest(attack=name):
                self.refused(self.words(), path, ranks=ranks, unchanged=(self.output,))

    def test_a_link_to_a_checkpoint_is_refused_before_a_round_is_lost(self):
        path, elsewhere = self.output / "checkpoint.h5", self.folder / "elsewhere.h5"
        path.rename(elsewhere)
        path.symlink_to(elsewhere)
        self.refused(self.words(), path, "link", unchanged=(self.folder,))

    def test_a_model_in_the_place_of_the_checkpoint(self):
        shutil.copy(self.output / "best.h5", self.output / "checkpoint.h5")
        path = self.output / "checkpoint.h5"
        self.refused(self.words(), path, ranks=hostile.RANKS, unchanged=(self.output,))

    def test_what_a_run_wrote_down_of_its_inputs(self):
        """The table of devices and the partition are compared, or the run is not gone on with."""
        for name, arguments in (
            ("fleet.csv", ("--fleet.speed", 2)),
            ("partition.csv", ("--data.partition", "iid", "--data.clients", 2)),
        ):
            for act in (
                lambda path: path.unlink(),
                lambda path: (path.unlink(), path.mkdir()),
                lambda path: path.write_bytes(path.read_bytes() + b"\x1b[31m\xff"),
            ):
                shutil.rmtree(self.output)
                shutil.copytree(hostile.trained(*arguments), self.output)
                act(self.output / name)
                with self.subTest(attack=name):
                    words = (*self.words(), *arguments)
                    path = self.output / name
                    self.refused(words, path, unchanged=(self.output,))

    def test_an_endless_simulated_time_is_gone_on_with(self):
        shutil.rmtree(self.output)
        words = ("--fleet.speed", "1e-308", "--fleet.sample_time", "1e308")
        result = harmofl(*self.words(1), *words)
        if result.code != 0:
            self.is_refusal(result, result.code, "fleet.")
            return
        self.assertNotIn("-", result.stderr.splitlines()[-2].partition("test accuracy")[2])
        self.assertIn("resuming after 1", self.succeeds(harmofl(*self.words(2), *words)).stderr)

    def test_a_last_line_that_was_cut_off_is_dropped(self):
        with open(self.output / "metrics.jsonl", "a", encoding="utf-8") as file:
            file.write('{"round":1,"lo')
        self.succeeds(harmofl(*self.words()))
        self.assertEqual({line["round"] for line in support.metrics(self.output)}, {0, 1})


class Ends(hostile.HostileTest):
    """How a run may end: saved, or with one line."""

    def words(self, rounds):
        small = hostile.SMALL[: hostile.SMALL.index("--run.save_every")]
        words = ("train", "--data.shards", hostile.federation(), "--run.output", self.folder / "run")
        return (*words, *small, "--run.rounds", rounds, "--run.save_every", 1000)

    def test_a_terminal_that_is_gone(self):
        result = harmofl(
            *self.words(100_000),
            when=FIRST_ROUND,
            then=lambda process: process.send_signal(signal.SIGHUP),
        )
        self.assertEqual(result.code, SAVED, result)
        self.assertIn("interrupted and saved", result.stderr)
        self.succeeds(harmofl("inspect", self.folder / "run/checkpoint.h5"))

    def test_a_limit_on_the_size_of_files(self):
        def limit(process):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (10_000, 10_000))

        words = (*self.words(100_000)[:-1], 1)
        result = harmofl(*words, when=FIRST_ROUND, then=limit)
        self.is_refusal(result, 1, self.folder / "run", "File too large")
        self.assertEqual([path.name for path in (self.folder / "run").glob(".*")], [])


if __name__ == "__main__":
    support.main()
