#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""From real images to a trained model: harmofl-prepare, inspect, train, evaluate on BBBC038."""

import json
import subprocess
import sys
import unittest

import support
from support import harmofl, run

SAMPLE = support.SOURCE / "tests/fixtures/bbbc038"
WHOLE = support.SOURCE.parent / "shared/data/bbbc038"
SITES = ("fluo256", "fluo360", "fluo520", "he_violet", "he_white")


class Preparing:
    def prepare(self, source, *arguments):
        if not source.is_dir():
            raise unittest.SkipTest(f"{source} is not there")
        shards = self.folder / "shards"
        self.succeeds(run((support.PREPARE, "images", "--input", source, "--output", shards, *arguments)))
        return shards

    def assert_readable(self, shards, names, size):
        """By inspect and by h5py."""
        self.assertEqual(sorted(path.stem for path in shards.glob("*.h5")), sorted(names))
        for path in shards.glob("*.h5"):
            text = self.succeeds(harmofl("inspect", path)).stdout
            for words in (
                f"site '{path.stem}'",
                "segmentation",
                f"3x{size}x{size}",
                "every checksum verified",
            ):
                self.assertIn(words, text)
            test = support.SOURCE / "tests/io/h5py_test.py"
            done = subprocess.run([sys.executable, test, path], capture_output=True, text=True, check=False)
            self.assertIn(done.returncode, (0, support.SKIPPED), done.stderr)

    def assert_trains(self, shards, rounds):
        output = self.folder / "run"
        self.succeeds(
            support.train(
                shards,
                output,
                "--algorithm.name",
                "fedavg",
                "--model.width",
                2,
                "--data.batch_size",
                8,
                "--run.rounds",
                rounds,
                ranks=6,
            )
        )
        entries = support.metrics(output)
        losses = [
            [entry["loss"] for entry in entries if (entry["round"], entry["split"]) == (r, "train")]
            for r in range(rounds)
        ]
        self.assertEqual({len(row) for row in losses}, {len(list(shards.glob("*.h5")))})
        if rounds > 1:
            self.assertLess(sum(losses[-1]), sum(losses[0]))
        table = self.folder / "table.json"
        self.succeeds(
            harmofl("evaluate", "--checkpoint", output / "best.h5", "--shards", shards, "--output", table)
        )
        expected = support.summary(output)["test"]["sites"]
        found = json.loads(table.read_text())
        for site, row in expected.items():
            self.assertAlmostEqual(found[site]["loss"], row["loss"], delta=1e-6)


class Sample(Preparing, support.ProgramTest):
    def test_resampled_images_train(self):
        shards = self.prepare(SAMPLE, "--size", "64x64")
        self.assert_readable(shards, SITES, 64)
        self.assert_trains(shards, rounds=2)

    def test_tiles_train(self):
        shards = self.prepare(SAMPLE, "--patch", "64x64", "--sites", "he_white,fluo256")
        self.assert_readable(shards, ("he_white", "fluo256"), 64)
        self.assert_trains(shards, rounds=2)

    def test_the_same_images_make_the_same_shards(self):
        first = self.prepare(SAMPLE, "--size", "32x32", "--sites", "fluo256")
        content = (first / "fluo256.h5").read_bytes()
        (first / "fluo256.h5").unlink()
        self.assertEqual(
            (self.prepare(SAMPLE, "--size", "32x32", "--sites", "fluo256") / "fluo256.h5").read_bytes(),
            content,
        )


class WholeSet(Preparing, support.ProgramTest):
    def test_six_sites_train_on_six_ranks(self):
        shards = self.prepare(WHOLE, "--size", "32x32")
        self.assert_readable(shards, (*SITES, "bf1024"), 32)
        self.assert_trains(shards, rounds=1)


class Mistakes(support.ProgramTest):
    def test_missing_folder_and_unknown_option(self):
        missing = self.folder / "nowhere"
        self.fails(
            run((support.PREPARE, "images", "--input", missing, "--output", self.folder / "shards")),
            1,
            missing,
        )
        self.fails(run((support.PREPARE, "images", "--siez", "64x64")), 2, "--siez", "--size")
        self.assertFalse((self.folder / "shards").exists())


if __name__ == "__main__":
    support.main()
