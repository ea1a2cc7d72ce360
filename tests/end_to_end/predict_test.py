#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`harmofl predict`: what it writes is what `evaluate` measures, and what PyTorch computes of the exported
model."""

import csv
import functools
import json
import re
import shutil
import sys
import unittest

import support
from support import harmofl, train

sys.path.insert(0, str(support.SOURCE / "tools/pytorch"))
try:
    import harmofl_model
    import torch
except (ImportError, OSError) as error:  # OSError: one of its CUDA libraries is missing
    torch, no_torch = None, f"Python cannot import torch: {error}"
try:
    import PIL.Image
except ImportError:
    PIL = None

SAMPLE = support.SOURCE / "tests/fixtures/bbbc038"
# Of probabilities: both sum float32 products in other orders, over some thousand terms.
TOLERANCE = 1e-5


def learning(*arguments):
    usual = support.LEARNS[2:] if "--model.width" not in arguments else support.LEARNS[4:]
    return (*usual, "--run.rounds", 2, *arguments)


@functools.cache
def run_of(name, task, *arguments):
    """The folder of a run on the shared sites, made once; not to be changed."""
    folder = support.shared_folder() / name
    result = train(support.federation(task), folder, *learning(*arguments))
    assert result.code == 0, result
    return folder


def harmofl_run(band="dc"):
    return run_of(
        f"predicted-{band}", "segmentation", "--algorithm.name", "harmofl", "--amplitude.band", band
    )


def fedbn_run():
    return run_of("predicted-fedbn", "segmentation", "--algorithm.name", "fedbn")


def classified(network, norm):
    options = ("--algorithm.name", "fedavg", "--amplitude.band", "dc", "--model.norm", norm)
    width = () if network != "linear" else ("--model.width", 1)
    return run_of(f"predicted-{network}-{norm}", "classification", "--model.name", network, *options, *width)


def classifiers():
    """The names of all networks that classify, as the program's help has them."""
    text = harmofl("train", "--help").stdout
    row = text[text.index("--model.width") :]
    row = row[row.index("auto:") + len("auto:") : row.index("--model.norm")]
    names = [words.split()[0] for words in re.sub(r"[()]", "", row).split(",")]
    return [name for name in names if name != "unet"]


def pixels(path):
    with PIL.Image.open(path) as image:
        assert image.mode == "L", image.mode
        return support.numpy.asarray(image)


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Predicted:
    def setUp(self):
        super().setUp()
        if torch is None:
            raise unittest.SkipTest(no_torch)
        if PIL is None or support.h5py is None:
            raise unittest.SkipTest("h5py, numpy or pillow is not installed")

    def predict(self, run_folder, source, *arguments, output="out", **options):
        output = self.folder / output
        return output, harmofl(
            "predict",
            "--checkpoint",
            run_folder / "best.h5",
            "--input",
            source,
            "--output",
            output,
            *arguments,
            **options,
        )

    def predicted(self, *arguments, **options):
        output, result = self.predict(*arguments, **options)
        self.succeeds(result)
        return output

    def evaluated(self, run_folder, task="segmentation", split="test"):
        table = self.folder / "evaluated.json"
        shards = support.federation(task)
        self.succeeds(
            harmofl(
                "evaluate",
                "--checkpoint",
                run_folder / "best.h5",
                "--shards",
                shards,
                "--split",
                split,
                "--output",
                table,
            )
        )
        return json.loads(table.read_text())

    def exported(self, run_folder, suffix=".safetensors", *arguments):
        path = self.folder / f"model{suffix}"
        self.succeeds(harmofl("export", "--checkpoint", run_folder / "best.h5", "--output", path, *arguments))
        return harmofl_model.load(path)

    def by_python(self, model, shard, split):
        """Probabilities of a split, in batches of the run, and the names of the images."""
        with support.h5(shard) as file:
            images = torch.from_numpy(file[split]["images"][()]).float() / file.attrs["intensity_scale"]
            names = [name.decode() for name in file[split]["ids"][()]]
        parts = [model.probabilities(batch) for batch in images.split(model.batch_size)]
        return dict(zip(names, torch.cat(parts).numpy()))


def dice(predicted, truth):
    """2 |P and G| / (|P| + |G|); two empty masks agree."""
    total = predicted.sum() + truth.sum()
    return 1.0 if total == 0 else 2.0 * (predicted & truth).sum() / total


class Shards(Predicted, support.ProgramTest):
    def test_the_masks_have_the_dice_that_evaluate_measures(self):
        for run_folder in (harmofl_run(), fedbn_run()):
            output = self.predicted(run_folder, support.federation(), output=run_folder.name)
            for split in ("test", "val"):
                found, expected = {}, self.evaluated(run_folder, split=split)
                for site in expected:
                    with support.h5(support.federation() / f"{site}.h5") as file:
                        names = [name.decode() for name in file[split]["ids"][()]]
                        truths = file[split]["masks"][()].astype(bool)
                    masks = [pixels(output / site / f"{name}.png") for name in names]
                    self.assertEqual({value for mask in masks for value in mask.flat} - {0, 255}, set())
                    found[site] = float(
                        support.numpy.mean([dice(mask == 255, truth) for mask, truth in zip(masks, truths)])
                    )
                    self.assertAlmostEqual(found[site], expected[site]["dice"], delta=1e-6, msg=site)
                self.assertGreater(max(found.values()), 0)

    def test_any_number_of_ranks_writes_the_same_bytes(self):
        expected = files_of(self.predicted(harmofl_run(), support.federation(), "--probabilities"))
        self.assertEqual(len(expected), 2 * 3 * 16)
        for ranks in (2, 4):
            found = self.predicted(
                harmofl_run(), support.federation(), "--probabilities", ranks=ranks, output=f"on-{ranks}"
            )
            self.assertEqual(files_of(found), expected)
        one = support.federation() / "site_1.h5"
        alone = files_of(self.predicted(harmofl_run(), one, "--split", "test", output="alone"))
        self.assertEqual(len(alone), 4)
        for name, content in alone.items():
            self.assertEqual(content, expected[name])

    def test_probabilities_are_those_of_the_exported_model_in_pytorch(self):
        for band in ("dc", "low:0.1", "full"):
            run_folder = harmofl_run(band)
            output = self.predicted(run_folder, support.federation(), "--probabilities", output=f"out-{band}")
            model = self.exported(run_folder)
            self.assertEqual(model.amp_norm.band, band)
            furthest = 0.0
            for shard in sorted(support.federation().glob("*.h5")):
                for name, expected in self.by_python(model, shard, "test").items():
                    found = support.numpy.load(output / shard.stem / f"{name}.npy")
                    self.assertEqual((found.dtype, found.shape), ("float32", expected.shape))
                    support.numpy.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
                    furthest = max(furthest, abs(found - expected).max())
            model.amp_norm.by_matrices = True  # as in ONNX
            again = self.by_python(model, shard, "test")[name]
            support.numpy.testing.assert_allclose(again, expected, rtol=0, atol=TOLERANCE)
            bare = self.exported(run_folder)
            bare.amp_norm = None  # as if only the weights were taken: another answer
            without = self.by_python(bare, shard, "test")[name]
            self.assertGreater(abs(without - expected).max(), 100 * TOLERANCE)
            print(f"band {band}: predictions of PyTorch within {furthest:.1e}")

    def test_the_model_of_a_site_is_the_one_that_is_exported_with_it(self):
        output = self.predicted(fedbn_run(), support.federation(), "--probabilities")
        for site in ("site_0", "site_2"):
            model = self.exported(fedbn_run(), ".pt", "--site", site)
            self.assertIsNone(model.amp_norm)
            for name, expected in self.by_python(model, support.federation() / f"{site}.h5", "test").items():
                found = support.numpy.load(output / site / f"{name}.npy")
                support.numpy.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)

    def test_classes_of_every_network(self):
        networks = classifiers()
        self.assertIn("densenet121-plain", networks)
        for network in networks:
            with self.subTest(network=network):
                run_folder = classified(network, "batch" if network == "densenet121" else "auto")
                output = self.predicted(run_folder, support.federation("classification"), output=network)
                self.assertEqual(list(files_of(output)), ["classes.csv"])
                with (output / "classes.csv").open(newline="") as file:
                    rows = list(csv.DictReader(file))
                self.assertEqual(len(rows), 3 * 16)
                self.assert_classes(rows, run_folder, self.exported(run_folder, ".pt"))

    def assert_classes(self, rows, run_folder, model):
        names = model.description["trained_on"]["class_names"]
        accuracy = self.evaluated(run_folder, "classification")
        for shard in sorted(support.federation("classification").glob("*.h5")):
            expected = self.by_python(model, shard, "test")
            with support.h5(shard) as file:
                truth = [names[label] for label in file["test/labels"][()]]
            own = [row for row in rows if (row["site"], row["split"]) == (shard.stem, "test")]
            self.assertEqual([row["id"] for row in own], list(expected))
            for row, values in zip(own, expected.values()):
                found = [float(row[f"probability of {name}"]) for name in names]
                support.numpy.testing.assert_allclose(found, values, rtol=0, atol=TOLERANCE)
                self.assertEqual(row["class"], names[found.index(max(found))])
            right = sum(row["class"] == label for row, label in zip(own, truth)) / len(own)
            self.assertAlmostEqual(right, accuracy[shard.stem]["accuracy"], delta=1e-6)

    def test_what_cannot_be_predicted(self):
        shards = support.federation()
        output, result = self.predict(harmofl_run(), self.folder / "absent", ranks=2)
        self.fails(result, 1, "absent", "no such file")
        output.mkdir(exist_ok=True)
        (output / "kept.txt").write_text("mine")
        self.fails(self.predict(harmofl_run(), shards, ranks=2)[1], 1, output, "files in this folder")
        self.assertEqual(files_of(output), {"kept.txt": b"mine"})
        self.fails(
            self.predict(harmofl_run(), support.federation("classification"), output="a")[1], 1, "suit"
        )
        self.fails(self.predict(harmofl_run(), shards, "--split", "tset", output="b")[1], 2, "tset")
        self.fails(
            self.predict(fedbn_run(), shards, "--site", "nowhere", output="c")[1], 1, "nowhere", "site_0"
        )
        self.fails(harmofl("predict", "--input", shards, "--output", output), 2, "checkpoint")

    def test_no_name_leads_out_of_the_folder(self):
        for name, said in (("../out", "leads to another folder"), ("a//b", "empty part"), ("a\nb", "print")):
            shard = shutil.copy(support.federation() / "site_0.h5", self.folder / "bad.h5")
            with support.h5(shard, "r+") as file:
                ids = file["test/ids"][()]
                ids[0] = name
                file["test/ids"][...] = ids
            output, result = self.predict(harmofl_run(), shard, output="named")
            self.assertEqual(result.code, 1, result)
            self.assertEqual(len(result.errors()), 1, result)
            self.assertTrue(any(text in result.errors()[0] for text in (said, "ids")), result)
            self.assertFalse((self.folder / "out.png").exists())
            shutil.rmtree(output)


class Images(Predicted, support.ProgramTest):
    """A folder of PNG files is predicted as the shards of the same files are."""

    def prepare(self, name, *arguments):
        shards = self.folder / name
        result = support.run(
            (
                support.PREPARE,
                "images",
                "--input",
                SAMPLE,
                "--output",
                shards,
                "--sites",
                "fluo256",
                *arguments,
            )
        )
        self.succeeds(result)
        run_folder = self.folder / f"run-{name}"
        self.succeeds(
            train(
                shards,
                run_folder,
                "--algorithm.name",
                "harmofl",
                "--model.width",
                2,
                "--data.batch_size",
                4,
                "--run.rounds",
                1,
                "--model.norm",
                "batch",
            )
        )
        return shards, run_folder

    def images(self):
        source = self.folder / "images"
        (source / "deep/er").mkdir(parents=True)
        found = sorted(path for path in (SAMPLE / "fluo256").rglob("*.png"))
        whole = [path for path in found if pixels_of(path).ndim == 3][:6]
        for path in whole[:3]:
            shutil.copy(path, source)
        for path in whole[3:]:
            shutil.copy(path, source / "deep/er")
        return source, whole

    def test_images_are_made_as_those_of_the_shards(self):
        shards, run_folder = self.prepare("whole", "--size", "64")
        source, whole = self.images()
        output = self.predicted(run_folder, source, "--probabilities")
        on_two = self.predicted(run_folder, source, "--probabilities", ranks=2, output="two")
        self.assertEqual(files_of(on_two), files_of(output))
        of_shards = self.predicted(run_folder, shards, "--probabilities", output="shards") / "fluo256"
        masks = sorted(output.rglob("*.png"))
        self.assertEqual(len(masks), len(whole))
        for mask in masks:
            found, expected = pixels(mask), pixels(next(of_shards.rglob(mask.name)))
            height, width = pixels_of(next(source.rglob(mask.name))).shape[:2]
            self.assertEqual(found.shape, (height, width))
            # pixel (y, x) of the image lies in pixel floor((y + 1/2) 64 / H) of the resampled one
            rows = ((support.numpy.arange(height) + 0.5) * 64 / height).astype(int)
            columns = ((support.numpy.arange(width) + 0.5) * 64 / width).astype(int)
            self.assertEqual(found.tobytes(), expected[rows][:, columns].tobytes())

    def test_tiles_are_put_together(self):
        shards, run_folder = self.prepare("tiles", "--patch", "96")
        source, whole = self.images()
        output = self.predicted(run_folder, source, "--probabilities")
        model = self.exported(run_folder)
        for path in whole:
            image = torch.from_numpy(pixels_of(path)[:, :, :3].copy()).permute(2, 0, 1).float()[None] / 255
            height, width = image.shape[2:]
            total, times = torch.zeros(2, height, width), torch.zeros(height, width)
            for top in starts(height, 96):
                for left in starts(width, 96):
                    place = (slice(top, top + 96), slice(left, left + 96))
                    total[:, place[0], place[1]] += model.probabilities(image[:, :, place[0], place[1]])[0]
                    times[place] += 1
            expected = (total / times).numpy()
            found = support.numpy.load(next(output.rglob(f"{path.stem}.npy")))
            support.numpy.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
            mask = pixels(next(output.rglob(f"{path.stem}.png")))
            self.assertEqual(mask.tobytes(), (found.argmax(0) * 255).astype("uint8").tobytes())

    def test_what_is_no_image(self):
        run_folder = harmofl_run()  # synthetic images: those of files must have their size
        source, _ = self.images()
        self.fails(self.predict(run_folder, source, ranks=2)[1], 1, "32x32", "256x256")
        (source / "notes.txt").write_text("of a patient")
        self.fails(self.predict(run_folder, source, ranks=2)[1], 1, "notes.txt", "not a shard")
        empty = self.folder / "empty"
        empty.mkdir()
        self.fails(self.predict(run_folder, empty)[1], 1, empty, "no images")
        bad = self.folder / "bad"
        bad.mkdir()
        (bad / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
        self.fails(self.predict(run_folder, bad)[1], 1, bad / "a.png", "PNG")
        self.fails(self.predict(fedbn_run(), bad)[1], 1, "site", "of its own")


def pixels_of(path):
    with PIL.Image.open(path) as image:
        return support.numpy.asarray(image)


def starts(extent, tile):
    """Where tiles start: side by side, the last shifted inwards."""
    places = list(range(0, extent - tile + 1, tile))
    return places if places[-1] + tile == extent else [*places, extent - tile]


if __name__ == "__main__":
    support.main()
