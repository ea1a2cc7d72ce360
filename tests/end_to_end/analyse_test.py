#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`harmofl analyse` on the files of a run."""

import csv
import json
import math
import shutil
import subprocess

import support
from support import harmofl


class Analysing:
    """What the tests of all kinds share."""

    def setUp(self):
        super().setUp()
        self.shards, self.checkpoint = support.federation(), support.trained() / "best.h5"

    def analyse(self, kind, *arguments, checkpoint=None, output=None, **options):
        return harmofl(
            "analyse",
            kind,
            "--checkpoint",
            checkpoint or self.checkpoint,
            "--shards",
            self.shards,
            "--output",
            output or self.folder,
            *arguments,
            **options,
        )

    def results(self, kind, folder=None):
        """The JSON of a kind; its CSV must say the same."""
        folder = folder or self.folder
        found = json.loads((folder / f"{kind}.json").read_text())
        with open(folder / f"{kind}.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(len(rows), len(found["rows"]))
        for row, wanted in zip(rows, found["rows"]):
            self.assertEqual(list(row), list(wanted))
            for name, value in wanted.items():
                text = "" if value is None else str(value)
                if isinstance(value, str) or value is None:
                    self.assertEqual(row[name], text)
                else:
                    self.assertEqual(float(row[name]), value)
        self.assertEqual(found["kind"], kind)
        return found

    def evaluated(self, split, name):
        """Mean over sites of a value that `harmofl evaluate` gives."""
        table = self.folder / "scores.json"
        self.succeeds(
            harmofl(
                "evaluate",
                "--checkpoint",
                self.checkpoint,
                "--shards",
                self.shards,
                "--split",
                split,
                "--output",
                table,
            )
        )
        values = [row[name] for row in json.loads(table.read_text()).values()]
        return sum(values) / len(values)

    def assert_done_follows_the_table(self, kind, *arguments):
        """On one terminal, for stdout and stderr, the line with the files comes after the whole table."""
        command = (
            support.HARMOFL,
            "analyse",
            kind,
            "--checkpoint",
            self.checkpoint,
            "--shards",
            self.shards,
            "--output",
            self.folder,
            *map(str, arguments),
        )
        both = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, timeout=150
        ).stdout
        table = self.succeeds(self.analyse(kind, *arguments)).stdout
        self.assertIn(table, both)
        self.assertTrue(both.splitlines()[-1].startswith("done: "), both)

    def same_files_at_any_number_of_ranks(self, kind, *arguments):
        texts = set()
        for ranks in (1, 2, 3):
            folder = self.folder / f"ranks{ranks}"
            result = self.succeeds(self.analyse(kind, *arguments, output=folder, ranks=ranks))
            texts.add(
                ((folder / f"{kind}.json").read_bytes(), (folder / f"{kind}.csv").read_bytes(), result.stdout)
            )
        self.assertEqual(len(texts), 1, f"{kind} depends on the number of ranks")


class Flatness(Analysing, support.ProgramTest):
    def test_starts_at_the_loss_of_the_model_and_rises_along_the_gradient(self):
        result = self.succeeds(
            self.analyse("flatness", "--split", "test", "--radii", "0.01,0.02", "--directions", 2)
        )
        found = self.results("flatness")
        start, *others = found["rows"]
        self.assertAlmostEqual(start["loss_mean"], self.evaluated("test", "loss"), delta=1e-12)
        self.assertAlmostEqual(start["dice_mean"], self.evaluated("test", "dice"), delta=1e-12)
        self.assertEqual([row["radius"] for row in found["rows"]], [0, 0.01, 0.02])
        for row in others:
            self.assertGreater(row["loss_gradient"], row["loss_max"])
            self.assertGreaterEqual(row["loss_max"], row["loss_mean"])
        # To first order the loss rises by the norm of its gradient times the length.
        slope = (others[0]["loss_gradient"] - start["loss_mean"]) / 0.01
        self.assertGreater(slope, 0.5 * found["gradient_norm"])
        self.assertIn("loss_gradient", result.stdout)

    def test_gives_the_same_files_at_any_number_of_ranks(self):
        self.same_files_at_any_number_of_ranks("flatness", "--radii", "0.1,1", "--directions", 2)

    def test_values_that_are_not_numbers_are_empty(self):
        self.succeeds(self.analyse("flatness", "--radii", "1e38", "--directions", 1))
        row = self.results("flatness")["rows"][1]
        self.assertIsNone(row["loss_gradient"])

    def test_one_direction_has_no_spread(self):
        result = self.succeeds(self.analyse("flatness", "--radii", "0.1", "--directions", 1))
        row = self.results("flatness")["rows"][1]
        self.assertIsNone(row["loss_std"])
        self.assertIsNone(row["dice_std"])
        self.assertEqual(result.stdout.splitlines()[2].split()[2], "-")


class Surface(Analysing, support.ProgramTest):
    def test_has_the_model_in_its_middle(self):
        self.succeeds(self.analyse("surface", "--points", 3, "--span", 0.5, "--split", "val"))
        found = self.results("surface")
        points = {(row["x"], row["y"]): row for row in found["rows"]}
        self.assertEqual(sorted(points), [(x, y) for x in (-0.5, 0, 0.5) for y in (-0.5, 0, 0.5)])
        self.assertAlmostEqual(points[0, 0]["loss"], self.evaluated("val", "loss"), delta=1e-12)
        self.assertEqual(len({row["loss"] for row in found["rows"]}), 9)
        for norm in found["direction_norms"]:
            self.assertLessEqual(norm, found["weight_norm"])

    def test_gives_the_same_files_at_any_number_of_ranks(self):
        self.same_files_at_any_number_of_ranks("surface", "--points", 3, "--most", 4)

    def test_depends_on_the_seed(self):
        losses = []
        for seed in (0, 1):
            self.succeeds(self.analyse("surface", "--points", 2, "--seed", seed, "--most", 2))
            losses.append([row["loss"] for row in self.results("surface")["rows"]])
        self.assertNotEqual(*losses)


class Spectra(Analysing, support.ProgramTest):
    def test_without_a_band_nothing_is_normalised(self):
        result = self.succeeds(self.analyse("spectra"))
        found = self.results("spectra")
        self.assertEqual(len(found["rows"]), 17)  # radii 0 to 16 of 32 x 32 pixels
        for row in found["rows"]:
            for site in found["sites"]:
                self.assertEqual(row[f"before_{site}"], row[f"after_{site}"])
        self.assertEqual((found["band"], found["normalised"]), ("off", False))
        self.assertIn("nothing is normalised", result.stdout)

    def test_with_the_full_band_the_sites_become_alike(self):
        run = self.folder / "run"
        self.succeeds(
            support.train(
                self.shards,
                run,
                *support.TINY,
                "--algorithm.name",
                "harmofl",
                "--amplitude.band",
                "full",
                "--run.rounds",
                1,
            )
        )
        self.succeeds(self.analyse("spectra", checkpoint=run / "checkpoint.h5"))
        found = self.results("spectra")
        self.assertGreater(found["spread_dc_before"], 0.01)
        self.assertGreater(found["spread_others_before"], 0.01)
        self.assertLess(found["spread_dc_after"], 1e-6)
        self.assertLess(found["spread_others_after"], 1e-6)
        self.assertEqual(found["rounds_done"], 1)

    def test_gives_the_same_files_at_any_number_of_ranks(self):
        self.same_files_at_any_number_of_ranks("spectra")


class Gradients(Analysing, support.ProgramTest):
    def test_measures_norms_and_cosines_of_sites(self):
        self.succeeds(self.analyse("gradients"))
        found = self.results("gradients")
        *sites, mean = found["rows"]
        self.assertEqual([row["site"] for row in sites], found["sites"])
        count = len(sites)
        cosines = [[row[f"cosine_{site}"] for site in found["sites"]] for row in sites]
        norms = [row["norm"] for row in sites]
        square = 0
        for i in range(count):
            self.assertAlmostEqual(cosines[i][i], 1, delta=1e-12)
            for j in range(count):
                self.assertEqual(cosines[i][j], cosines[j][i])
                square += norms[i] * norms[j] * cosines[i][j] / count**2
        self.assertAlmostEqual(mean["norm"], math.sqrt(square), delta=1e-9)
        self.assertEqual(mean["norm"], found["mean_norm"])

    def test_gives_the_same_files_at_any_number_of_ranks(self):
        self.same_files_at_any_number_of_ranks("gradients", "--split", "val")


class Refusals(Analysing, support.ProgramTest):
    def test_unknown_kind(self):
        self.fails(self.analyse("flatnes"), 2, "flatnes", "Did you mean 'flatness'?", "surface")
        self.fails(self.analyse("flatnes", ranks=2), 2, "flatnes")

    def test_without_a_kind_the_kinds_are_listed(self):
        result = harmofl("analyse")
        self.assertEqual(result.code, 2, result)
        self.assertEqual(self.succeeds(harmofl("analyse", "--help")).stdout, result.stdout)
        for kind in ("flatness", "surface", "spectra", "gradients"):
            self.assertIn(kind, result.stdout)
            self.assertIn("--most", self.succeeds(harmofl("analyse", kind, "--help")).stdout)

    def test_bad_values(self):
        for radii in ("0.1,far", "0", "0.1,,1", "nan", "1e999", ""):
            with self.subTest(radii=radii):
                self.fails(self.analyse("flatness", f"--radii={radii}"), 2, "radii")
        self.fails(self.analyse("flatness", "--directions", 0), 2, "--directions 0")
        self.fails(self.analyse("surface", "--points", 1), 2, "--points 1")
        self.fails(self.analyse("surface", "--span", 0), 2, "--span 0")
        self.fails(self.analyse("surface", "--split", "tset"), 2, "tset", "train, val, test")
        self.fails(self.analyse("spectra", "--radii", "1"), 2, "radii")
        self.fails(self.analyse("flatness", "--radii", "far", ranks=2), 2, "far")

    def test_missing_files(self):
        missing = self.folder / "no.h5"
        for ranks in (None, 2):
            self.fails(self.analyse("flatness", checkpoint=missing, ranks=ranks), 1, missing)
        self.fails(
            harmofl(
                "analyse", "surface", "--checkpoint", self.checkpoint, "--shards", self.folder / "nowhere"
            ),
            1,
            "nowhere",
        )
        self.fails(harmofl("analyse", "surface", "--shards", self.shards), 2, "checkpoint")

    def test_a_folder_that_cannot_be_made(self):
        file = self.folder / "file"
        file.write_text("not a folder\n")
        self.fails(self.analyse("spectra", output=file / "below"), 1, file / "below")

    def test_model_of_another_task(self):
        self.shards = support.federation("classification")
        self.fails(self.analyse("gradients"), 1, "best.h5", "task is classification")


class Output(Analysing, support.ProgramTest):
    def test_is_a_whole_table_and_then_where_the_files_are(self):
        self.checkpoint = support.trained() / "checkpoint.h5"
        for kind, arguments in {
            "gradients": (),
            "spectra": (),
            "drift": (),
            "flatness": ("--radii", 0.1, "--directions", 1),
            "surface": ("--points", 2),
        }.items():
            with self.subTest(kind=kind):
                self.assert_done_follows_the_table(kind, *arguments)

    def test_is_the_folder_of_the_checkpoint_by_default(self):
        checkpoint = shutil.copy(self.checkpoint, self.folder / "model.h5")
        self.succeeds(harmofl("analyse", "spectra", "--checkpoint", checkpoint, "--shards", self.shards))
        self.assertEqual(
            sorted(path.name for path in self.folder.iterdir()), ["model.h5", "spectra.csv", "spectra.json"]
        )

    def test_classification_is_measured_by_accuracy(self):
        self.shards, run = support.federation("classification"), self.folder / "run"
        self.succeeds(support.train(self.shards, run, *support.TINY, "--run.rounds", 1))
        self.succeeds(
            self.analyse("flatness", "--radii", "0.1", "--directions", 1, checkpoint=run / "best.h5")
        )
        self.assertIn("accuracy_mean", self.results("flatness")["rows"][0])


if __name__ == "__main__":
    support.main()
