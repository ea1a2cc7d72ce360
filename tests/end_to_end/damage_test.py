#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Damaged shards: refused before training, with one message that says what is wrong with which."""

import re
import shutil

import support
from support import harmofl


class DamagedShards(support.ProgramTest):
    """One bad shard among good ones, on two ranks: exit status 1 and one message."""

    def setUp(self):
        super().setUp()
        self.shards = shutil.copytree(support.federation(), self.folder / "shards")
        self.shard = self.shards / "site_1.h5"

    def refused(self, *texts):
        output = self.folder / "run"
        for ranks in (2, None):
            result = support.train(self.shards, output, *support.TINY, ranks=ranks)
            self.fails(result, 1, self.shard, *texts)
            self.assertEqual(result.stderr.count(str(self.shard)), 1, result)
            self.assertFalse((output / "config.ini").exists())
            shutil.rmtree(output, ignore_errors=True)

    def test_truncated(self):
        with open(self.shard, "r+b") as file:
            file.truncate(self.shard.stat().st_size // 2)
        self.refused("cannot be opened as HDF5")

    def test_missing_dataset(self):
        with support.h5(self.shard, "r+") as file:
            del file["val/masks"]
        self.refused("/val/masks", "is missing")

    def replace(self, name, values):
        """Puts other values in a dataset's place, with the layout and the attributes of the old."""
        with support.h5(self.shard, "r+") as file:
            attributes = dict(file[name].attrs)
            del file[name]
            file.create_dataset(
                name, data=values, fletcher32=True, chunks=(1, *values.shape[1:])
            ).attrs.update(attributes)

    def mend_checksum(self, name):
        """Stores the checksum that the program finds, so that it looks at the values."""
        error = harmofl("inspect", self.shard).stderr
        self.assertIn(name, error)
        with support.h5(self.shard, "r+") as file:
            file[name].attrs["xxh3"] = re.search(r", found ([0-9a-f]{32})", error)[1]

    def values(self, name):
        with support.h5(self.shard) as file:
            return file[name][()]

    def test_wrong_shape(self):
        self.replace("train/masks", self.values("train/masks")[:, :, :30])
        self.refused("/train/masks", "expected the shape [8, 32, 32]", "found [8, 32, 30]")

    def test_wrong_type(self):
        self.replace("train/masks", self.values("train/masks").astype("float32"))
        self.refused("/train/masks", "expected", "uint8", "found float32")

    def test_changed_pixel(self):
        with support.h5(self.shard, "r+") as file:
            file["test/images"][0, 0, 0, 0] ^= 1
        self.refused("/test/images", "expected content with the checksum", "found")

    def test_pixels_that_are_no_number(self):
        for split in ("train", "val", "test"):  # the program reads them in this order
            images = self.values(f"{split}/images").astype("float32")
            images[3, 1, 4, 5] = float("nan")
            self.replace(f"{split}/images", images)
        self.mend_checksum("/train/images")
        self.refused("/train/images", "expected", "found nan")

    def test_label_outside_the_classes(self):
        masks = self.values("train/masks")
        masks[2, 3, 4] = 7
        self.replace("train/masks", masks)
        self.mend_checksum("/train/masks")
        self.refused("/train/masks", "expected", "found 7")

    def test_other_image_size_than_the_other_sites(self):
        self.succeeds(
            harmofl(
                "synthesize", "--output", self.folder / "other", "--sites", 2, "--train", 2, "--size", "16x16"
            )
        )
        shutil.copy(self.folder / "other/site_1.h5", self.shard)
        result = support.train(self.shards, self.folder / "run", *support.TINY, ranks=2)
        self.fails(result, 1, self.shard, "3x16x16", "site_0.h5", "3x32x32")


if __name__ == "__main__":
    support.main()
