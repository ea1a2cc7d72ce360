#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Damaged shards, checkpoints and run folders: refused with one message that says what is wrong."""

import json
import pathlib
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
        support.mend_checksum(self.shard, "/train/images")
        self.refused("/train/images", "expected", "found nan")

    def test_label_outside_the_classes(self):
        masks = self.values("train/masks")
        masks[2, 3, 4] = 7
        self.replace("train/masks", masks)
        support.mend_checksum(self.shard, "/train/masks")
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


class DamagedCheckpoints(support.ProgramTest):
    """A changed byte anywhere is noticed by whatever reads a checkpoint, on any number of ranks."""

    def setUp(self):
        super().setUp()
        self.best = pathlib.Path(shutil.copy(support.trained() / "best.h5", self.folder))

    def flip(self, text):
        """Changes the last bit of `text` in the file."""
        content = bytearray(self.best.read_bytes())
        content[content.index(text) + len(text) - 1] ^= 1
        self.best.write_bytes(content)

    def refused(self, *texts, on=(None, 2)):
        measured = ("--checkpoint", self.best, "--shards", support.federation())
        commands = (
            ("evaluate", *measured),
            ("export", "--checkpoint", self.best, "--output", self.folder / "m.pt"),
            ("analyse", "gradients", *measured),
            ("inspect", self.best),
        )
        for ranks in on:
            for command in commands:
                with self.subTest(command=command[0], ranks=ranks):
                    self.fails(harmofl(*command, ranks=ranks), 1, self.best, *texts)
            options = (*support.LEARNS, "--run.rounds", 1, "--model.weights", self.best)
            result = support.train(support.federation(), self.folder / "run", *options, ranks=ranks)
            self.fails(result, 1, self.best, *texts)
            shutil.rmtree(self.folder / "run", ignore_errors=True)

    def test_one_bit_of_the_configuration(self):
        self.flip(b"batch_size = 2")
        self.refused("does not match the checksum")

    def test_one_bit_of_a_checksum_of_a_file_without_a_seal(self):
        with support.h5(self.best, "r+") as file:  # which cuts it off
            file["model/conv.bias"].attrs["xxh3"] = "0" * 32
        self.refused("/model/conv.bias", "damaged", on=(None,))


class ForeignRuns(support.ProgramTest):
    """A run folder that says what no run says of itself."""

    def setUp(self):
        super().setUp()
        self.run_folder = shutil.copytree(support.trained(), self.folder / "run")
        self.checkpoint = self.run_folder / "checkpoint.h5"

    def refused(self, *texts):
        before = {path.name: path.read_bytes() for path in self.run_folder.glob("*.jsonl")}
        names = sorted(path.name for path in self.run_folder.glob("*.h5*"))
        for ranks in (None, 2):
            options = (*support.LEARNS, "--run.rounds", 3, "--resume")
            result = support.train(support.federation(), self.run_folder, *options, ranks=ranks)
            self.fails(result, 1, *texts)
            self.assertEqual(sorted(path.name for path in self.run_folder.glob("*.h5*")), names)
            for name, content in before.items():
                self.assertEqual((self.run_folder / name).read_bytes(), content)

    def put_state(self, **members):
        with support.h5(self.checkpoint, "r+") as file:
            file.attrs["state"] = json.dumps(json.loads(file.attrs["state"]) | members)

    def test_a_placement_without_clients(self):
        self.put_state(placement=[])
        self.refused(self.checkpoint, "placement", "3 clients")

    def test_a_placement_on_ranks_that_there_are_not(self):
        self.put_state(placement=[0, 0, 2**62])
        self.refused(self.checkpoint, "placement.2", str(2**62))

    def test_a_state_that_is_not_json(self):
        with support.h5(self.checkpoint, "r+") as file:
            file.attrs["state"] = "{"
        self.refused(self.checkpoint, "attribute 'state'", "not JSON")

    def test_a_tensor_of_a_client_of_another_shape(self):
        with support.h5(self.checkpoint, "r+") as file:
            group = file["clients/site_1"]
            name = next(name for name in group if name.startswith("optimizer."))
            attributes = dict(group[name].attrs)
            del group[name]
            made = group.create_dataset(name, data=support.numpy.zeros(1, "float32"))
            made.attrs.update(attributes)
        error = harmofl("inspect", self.checkpoint).stderr
        with support.h5(self.checkpoint, "r+") as file:
            file[f"clients/site_1/{name}"].attrs["xxh3"] = re.search(r", found ([0-9a-f]{32})", error)[1]
        self.succeeds(harmofl("inspect", self.checkpoint))
        self.refused(self.checkpoint, "/clients/site_1", name, "shape [1]")
        measured = ("--checkpoint", self.checkpoint, "--shards", support.federation())
        for ranks in (None, 2):
            result = harmofl("analyse", "drift", *measured, "--output", self.folder, ranks=ranks)
            self.fails(result, 1, self.checkpoint, "/clients/site_1", name, "shape [1]")

    def test_a_round_that_is_not_a_number(self):
        metrics = self.run_folder / "metrics.jsonl"
        lines = metrics.read_text().splitlines()
        lines[1] = json.dumps(json.loads(lines[1]) | {"round": "x"})
        metrics.write_text("".join(line + "\n" for line in lines))
        self.refused(f"{metrics}:2", "round", '"x"')


if __name__ == "__main__":
    support.main()
