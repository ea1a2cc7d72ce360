#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`harmofl evaluate` and `harmofl inspect` on the files of a run."""

import json
import pathlib
import re
import shutil

import support
from support import harmofl, summary


class Evaluate(support.ProgramTest):
    def setUp(self):
        super().setUp()
        self.shards, self.run_folder = support.federation(), support.trained()

    def evaluate(self, checkpoint, *arguments, **options):
        return harmofl("evaluate", "--checkpoint", checkpoint, "--shards", self.shards, *arguments, **options)

    def test_best_scores_as_the_summary_says_at_any_number_of_ranks(self):
        expected = summary(self.run_folder)
        self.assertGreater(expected["test"]["mean"]["dice"], 0)
        for ranks in (None, 1, 2):
            with self.subTest(ranks=ranks):
                table = self.folder / f"ranks{ranks}.json"
                result = self.succeeds(
                    self.evaluate(self.run_folder / "best.h5", "--output", table, ranks=ranks)
                )
                self.assert_scores(json.loads(table.read_text()), expected["test"]["sites"])
                self.assert_printed(result.stdout, expected["test"])

    def assert_scores(self, found, expected):
        self.assertEqual(found.keys(), expected.keys())
        for site, row in expected.items():
            self.assertEqual(found[site].keys(), row.keys())
            for name, value in row.items():
                self.assertAlmostEqual(found[site][name], value, delta=1e-6, msg=f"{site} {name}")

    def assert_printed(self, text, expected):
        rows = {}
        for line in text.splitlines():
            first = line.split()[0]
            rows[first] = {name: float(value) for name, value in re.findall(r"([a-z_]+) (\d+\.\d+)", line)}
        for site, row in {**expected["sites"], "mean": expected["mean"]}.items():
            for name, value in row.items():
                self.assertAlmostEqual(rows[site][name], value, delta=6e-5, msg=f"{site} {name}")

    def test_one_site_has_no_spread(self):
        self.shards = support.synthesize(self.folder / "one", sites=1)
        text = self.succeeds(self.evaluate(self.run_folder / "best.h5")).stdout
        self.assertEqual(len(text.splitlines()), 2)
        self.assertTrue(text.splitlines()[1].startswith("mean of sites"), text)
        self.assertNotIn("±", text)

    def test_other_splits(self):
        table = self.folder / "val.json"
        self.succeeds(self.evaluate(self.run_folder / "best.h5", "--split", "val", "--output", table))
        self.assert_scores(json.loads(table.read_text()), summary(self.run_folder)["val"]["sites"])
        self.fails(
            self.evaluate(self.run_folder / "best.h5", "--split", "tset"), 2, "tset", "train, val, test"
        )

    def test_device_keys(self):
        best = self.run_folder / "best.h5"
        tables = {}
        for precision in ("fp32", "bf16"):
            table = self.folder / f"{precision}.json"
            self.succeeds(self.evaluate(best, "--device.precision", precision, "--output", table))
            tables[precision] = json.loads(table.read_text())
        self.assert_scores(tables["fp32"], summary(self.run_folder)["test"]["sites"])
        self.assertNotEqual(tables["bf16"], tables["fp32"])
        for site, row in tables["fp32"].items():  # 8 bits of mantissa in a few layers
            self.assertAlmostEqual(tables["bf16"][site]["loss"], row["loss"], delta=0.1 * row["loss"])
        self.fails(self.evaluate(best, "--device.type", "gpu"), 2, "device.type = gpu", "cuda")
        self.fails(self.evaluate(best, "--device.precision", "tf32"), 1, "device.precision = tf32")
        for command in (
            ("predict", "--input", self.shards, "--output", self.folder / "out"),
            ("analyse", "gradients", "--shards", self.shards, "--output", self.folder / "found"),
        ):
            result = harmofl(*command, "--checkpoint", best, "--device.precision", "tf32")
            self.fails(result, 1, "device.precision = tf32")

    def test_damage_in_what_is_not_measured_is_noticed_too(self):
        run_folder = self.folder / "run"
        self.succeeds(
            support.train(
                self.shards, run_folder, *support.TINY, "--run.rounds", 1, "--algorithm.name", "fedbn"
            )
        )
        checkpoint = run_folder / "checkpoint.h5"
        self.succeeds(self.evaluate(checkpoint))
        with support.h5(checkpoint, "r+") as file:
            name = next(name for name in file["clients/site_1"] if name.startswith("optimizer."))
            values = file["clients/site_1"][name]
            values[...] = values[...] + 1
        self.fails(self.evaluate(checkpoint), 1, checkpoint, f"/clients/site_1/{name}", "damaged")

    def test_missing_checkpoint_and_missing_option(self):
        missing = self.folder / "no.h5"
        self.fails(self.evaluate(missing), 1, missing)
        self.fails(self.evaluate(missing, ranks=2), 1, missing)
        self.fails(harmofl("evaluate", "--shards", self.shards), 2, "checkpoint")

    def test_model_of_another_task_is_refused(self):
        labels = support.federation("classification")
        self.fails(
            harmofl("evaluate", "--checkpoint", self.run_folder / "best.h5", "--shards", labels),
            1,
            "best.h5",
            "task is classification",
        )


class Inspect(support.ProgramTest):
    def setUp(self):
        super().setUp()
        self.shards, self.run_folder = support.federation(), support.trained()

    def test_describes_a_shard(self):
        path = self.shards / "site_1.h5"
        text = self.succeeds(harmofl("inspect", path)).stdout
        for words in (
            path,
            "site_1",
            "segmentation",
            "background, nucleus",
            "3x32x32",
            "train: 8 samples",
            "val: 4 samples",
            "every checksum verified",
        ):
            self.assertIn(str(words), text)

    def test_describes_a_checkpoint(self):
        text = self.succeeds(harmofl("inspect", self.run_folder / "checkpoint.h5")).stdout
        for words in (
            "fedavg after 2 rounds",
            "encoder1.enc1_conv1.weight",
            "[4, 3, 3, 3]",
            "every checksum verified",
            "lr = 0.02",
        ):
            self.assertIn(words, text)

    def copy(self, path):
        return pathlib.Path(shutil.copy(path, self.folder))

    def refused(self, path, *texts):
        self.fails(harmofl("inspect", path), 1, path, *texts)

    def test_truncated_files_are_refused_by_name(self):
        for source in (self.shards / "site_0.h5", self.run_folder / "checkpoint.h5"):
            for part in (0.99, 0.5, 0.01):
                with self.subTest(file=source.name, part=part):
                    path = self.copy(source)
                    with open(path, "r+b") as file:
                        file.truncate(int(path.stat().st_size * part))
                    self.refused(path)

    def test_a_flipped_pixel_and_a_flipped_weight_are_found(self):
        shard = self.copy(self.shards / "site_0.h5")
        with support.h5(shard, "r+") as file:
            file["val/images"][1, 0, 5, 7] ^= 1
        self.refused(shard, "/val/images", "expected", "found")
        checkpoint = self.copy(self.run_folder / "checkpoint.h5")
        with support.h5(checkpoint, "r+") as file:
            file["model/conv.bias"][0] += 1e-3
        self.refused(checkpoint, "conv.bias")
        self.fails(
            harmofl("evaluate", "--checkpoint", checkpoint, "--shards", self.shards),
            1,
            checkpoint,
            "conv.bias",
        )

    def test_files_of_another_kind(self):
        text = self.folder / "notes.h5"
        text.write_text("no HDF5 at all\n")
        self.refused(text)
        self.refused(self.folder / "absent.h5")


if __name__ == "__main__":
    support.main()
