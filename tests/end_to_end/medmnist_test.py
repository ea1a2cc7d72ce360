#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""harmofl-prepare on .npz files as MedMNIST ships them, written by NumPy and read back by h5py."""

import unittest
import zipfile

import support
from support import run

try:
    import numpy
except ImportError:
    numpy = None

SPLITS = ("train", "val", "test")


class MedMNIST(support.ProgramTest):
    def setUp(self):
        super().setUp()
        if numpy is None:
            raise unittest.SkipTest("numpy is missing in Python")
        self.input = self.folder / "sets"
        self.input.mkdir()
        self.draw = numpy.random.default_rng(3)

    def arrays(self, *channels, count=(20, 5, 7), kind="uint8"):
        found = {}
        for split, number in zip(SPLITS, count):
            images = self.draw.integers(0, 256, (number, 28, 28, *channels), dtype=numpy.uint8)
            labels = self.draw.integers(0, 9, (number, 1)).astype(kind)
            found |= {f"{split}_images": images, f"{split}_labels": labels}
        found["train_labels"][:9, 0] = range(9)
        return found

    def command(self, *arguments):
        words = ("images", "--layout", "medmnist", "--input", self.input, "--output", self.folder / "out")
        return run((support.PREPARE, *words, *arguments))

    def check(self, name, arrays):
        with support.h5(self.folder / "out" / f"{name}.h5") as shard:
            self.assertEqual(list(shard.attrs["class_names"]), [str(number) for number in range(9)])
            for split in SPLITS:
                images = arrays[f"{split}_images"]
                if images.ndim == 3:
                    images = numpy.stack([images] * 3, axis=-1)
                found = shard[split]["images"][()].transpose(0, 2, 3, 1)
                numpy.testing.assert_array_equal(found, images)
                labels = arrays[f"{split}_labels"].ravel()
                numpy.testing.assert_array_equal(shard[split]["labels"][()], labels)
                self.assertEqual(shard[split]["ids"].asstr()[-1], f"{split}_{len(images) - 1:07}")

    def test_grey_and_colour_compressed_and_stored(self):
        sets = {"path": self.arrays(3), "organ": self.arrays(), "wide": self.arrays(kind="int64")}
        numpy.savez_compressed(self.input / "path.npz", **sets["path"])
        numpy.savez(self.input / "organ.npz", **sets["organ"])
        numpy.savez_compressed(self.input / "wide.npz", **sets["wide"])
        self.succeeds(self.command())
        for name, arrays in sets.items():
            self.check(name, arrays)
        self.assertIn("same images and options, kept", self.command().stderr)

    def refuses(self, *texts):
        self.fails(self.command(), 1, "a.npz", *texts)

    def test_arrays_that_do_not_fit(self):
        good = self.arrays(3)
        path = self.input / "a.npz"
        for text, change in (
            ("has 20 bytes, which", None),
            ("val_labels", {"val_labels": None}),
            ("labels for 20 images", {"train_labels": good["train_labels"][:-1]}),
            ("14 labels, expected one", {"train_labels": numpy.zeros((20, 14), numpy.uint8)}),
            ("is the label -1", {"train_labels": numpy.full((20, 1), -1)}),
            ("of type '<f4'", {"train_images": numpy.zeros((20, 28, 28), numpy.float32)}),
            ("[N, H, W]", {"train_images": numpy.zeros((20, 28, 28, 28), numpy.uint8)}),
            ("Fortran", {"train_images": numpy.asfortranarray(good["train_images"])}),
            ("has no images", dict.fromkeys(good)),
        ):
            with self.subTest(text=text):
                changed = {**good, **(change or {})}
                numpy.savez(path, **{name: array for name, array in changed.items() if array is not None})
                if change is None:
                    with zipfile.ZipFile(path) as archive:
                        entries = {name: archive.read(name) for name in archive.namelist()}
                    entries["train_labels.npy"] = entries["train_labels.npy"].replace(b"(20, 1)", b"(99, 1)")
                    with zipfile.ZipFile(path, "w") as archive:
                        for name, content in entries.items():
                            archive.writestr(name, content)
                self.refuses(text)

    def test_files_that_are_cut_off_or_changed(self):
        path = self.input / "a.npz"
        numpy.savez_compressed(path, **self.arrays(3))
        content = path.read_bytes()
        changed = bytearray(content)
        changed[len(content) // 3] ^= 0x40
        for name, attack in (("cut off", content[:-300]), ("empty", b""), ("changed", bytes(changed))):
            with self.subTest(attack=name):
                path.write_bytes(attack)
                self.refuses()

    def test_pickled_objects_are_never_loaded(self):
        numpy.savez(self.input / "a.npz", train_images=numpy.array([{}], object), train_labels=[0])
        self.refuses("of type")

    def test_a_bomb_takes_no_memory(self):
        with zipfile.ZipFile(self.input / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, shape in (("train_images", b"(200000000, 1, 1)"), ("train_labels", b"(200000000, 1)")):
                header = b"{'descr': '|u1', 'fortran_order': False, 'shape': " + shape + b", }\n"
                npy = b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header
                with archive.open(f"{name}.npy", "w") as entry:
                    entry.write(npy)
                    for _ in range(200):
                        entry.write(bytes(1_000_000))
        result = self.command()
        self.fails(result, 1, "a.npz", "rows, more than")
        self.assertLess(result.peak_mib, 64)


if __name__ == "__main__":
    support.main()
