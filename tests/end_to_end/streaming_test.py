#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""data.residence = stream: runs that read their images as they go, held against runs that hold them."""

import functools
import re
import shutil

import support
from support import LEARNS, TINY, harmofl, train

STREAM = ("--data.residence", "stream")
MEMORY = ("--data.residence", "memory")


@functools.cache
def uneven():
    """Sites of unequal size, whose last batch is a smaller one."""
    folder = support.shared_folder() / "uneven"
    result = harmofl(
        *("synthesize", "--output", folder, "--sites", 3, "--size", "32x32"),
        *("--train", "11,7,5", "--val", "3,2,4", "--test", "3,1,2"),
    )
    assert result.code == 0, result
    return folder


class Stream(support.ProgramTest):
    def same_as_memory(self, shards, *arguments, ranks=(1, 2), rounds=2):
        """The same run, to the bit, for both residences on any number of ranks."""
        expected = self.folder / "memory"
        self.succeeds(train(shards, expected, *arguments, *MEMORY, "--run.rounds", rounds))
        for number in ranks:
            streamed = self.folder / f"stream{number}"
            result = train(shards, streamed, *arguments, *STREAM, "--run.rounds", rounds, ranks=number)
            self.succeeds(result)
            self.assert_same_run(streamed, expected)
        return expected

    def test_segmentation_by_harmofl(self):
        self.same_as_memory(uneven(), *TINY)

    def test_clients_of_several_shards_in_cohorts_with_recomputed_statistics(self):
        self.same_as_memory(
            uneven(),
            *TINY,
            *("--data.partition", "dirichlet", "--data.clients", 6, "--cohort.size", 3),
            *("--algorithm.name", "fedavg", "--model.norm", "batch", "--model.buffers", "recompute"),
            *("--data.truncate", "--train.local_epochs", 2, "--comm.placement", "samples"),
            rounds=4,  # clients move meanwhile
        )

    def test_labels_with_personal_models(self):
        self.same_as_memory(
            *(support.federation("classification"), *TINY, "--algorithm.name", "ditto"),
            *("--data.shuffle", "false"),
        )

    def test_a_run_goes_on_with_the_other_residence(self):
        whole = self.folder / "whole"
        self.succeeds(train(uneven(), whole, *TINY, "--run.rounds", 4))
        for first, then in ((STREAM, MEMORY), (MEMORY, STREAM)):
            folder = self.folder / f"{first[1]}-first"
            self.succeeds(train(uneven(), folder, *TINY, *first, "--run.rounds", 2))
            self.succeeds(train(uneven(), folder, *TINY, *then, "--run.rounds", 4, "--resume"))
            self.assert_same_run(folder, whole)

    def test_evaluate_streams_what_the_run_streamed(self):
        folder = self.folder / "run"
        self.succeeds(train(uneven(), folder, *LEARNS, *STREAM, "--run.rounds", 1))
        told = self.succeeds(harmofl("evaluate", "--checkpoint", folder / "best.h5", "--shards", uneven()))
        measured = {
            entry["site"]: entry["dice"] for entry in support.metrics(folder) if entry["split"] == "test"
        }
        for site, dice in measured.items():
            self.assertRegex(told.stdout, rf"{site} .*{dice:.4f}")


class Damage(support.ProgramTest):
    """Shards that change, or turn out to be damaged, while a run reads them."""

    def setUp(self):
        super().setUp()
        self.shards = self.folder / "shards"
        shutil.copytree(uneven(), self.shards)
        self.shard = self.shards / "site_1.h5"

    def flip(self, sample):
        """Changes a byte in the chunk of a training image."""
        with support.h5(self.shard) as file:
            image = file["train/images"][sample].tobytes()
            name = file["train/ids"][sample].decode()
        content = bytearray(self.shard.read_bytes())
        content[content.find(image) + 100] ^= 4
        self.shard.write_bytes(content)
        return name

    def run_streamed(self, ranks=None, **options):
        return train(
            self.shards, self.folder / "run", *TINY, *STREAM, "--run.rounds", 500, ranks=ranks, **options
        )

    def test_a_damaged_image_is_named(self):
        name = self.flip(4)
        self.fails(self.run_streamed(), 1, self.shard, "/train/images", f"sample '{name}'", "Fletcher-32")

    def test_a_damaged_image_ends_all_ranks(self):
        name = self.flip(4)
        result = self.run_streamed(ranks=2)
        self.assertNotEqual(result.code, 0)
        self.assertEqual(len(result.errors()), 1, result)
        self.assertRegex(result.errors()[0], rf"rank \d: .*site_1.h5: .*sample '{name}' fails")

    def test_a_shard_that_is_cut_off_is_an_error(self):
        result = self.run_streamed(
            when="round 1 ", then=lambda _: self.shard.write_bytes(self.shard.read_bytes()[:6000])
        )
        self.fails(result, 1, "site_1.h5")
        self.assertTrue(re.search("was written to while|cannot be read", result.errors()[0]), result)

    def test_a_shard_that_is_replaced_is_read_on_as_it_was(self):
        expected = self.folder / "expected"
        self.succeeds(train(uneven(), expected, *TINY, "--run.rounds", 8))

        def replace(_):
            other = self.folder / "other.h5"
            other.write_bytes((self.shards / "site_0.h5").read_bytes())
            other.replace(self.shard)

        streamed = self.folder / "run"
        self.succeeds(
            train(self.shards, streamed, *TINY, *STREAM, "--run.rounds", 8, when="round 1 ", then=replace)
        )
        self.assert_same_run(streamed, expected)

    def test_shards_that_only_hdf5_can_read_are_refused_with_the_way_out(self):
        with support.h5(self.shard, "r+") as file:
            images, sums = file["train/images"][()], dict(file["train/images"].attrs)
            del file["train/images"]
            made = file.create_dataset(
                "train/images", data=images, chunks=(2, *images.shape[1:]), fletcher32=True
            )
            made.attrs.update(sums)
        self.fails(self.run_streamed(), 1, self.shard, "one chunk a sample", "data.residence = memory")
        self.succeeds(train(self.shards, self.folder / "held", *TINY, *MEMORY, "--run.rounds", 1))

    def test_shards_that_h5py_wrote_compressed_are_streamed(self):
        with support.h5(self.shard, "r+") as file:
            for name in ("train/images", "train/masks"):
                values, sums = file[name][()], dict(file[name].attrs)
                del file[name]
                made = file.create_dataset(
                    *(name,),
                    data=values,
                    chunks=(1, *values.shape[1:]),
                    **{"fletcher32": True, "compression": "gzip", "shuffle": True},
                )
                made.attrs.update(sums)
        expected = self.folder / "expected"
        self.succeeds(train(uneven(), expected, *TINY, "--run.rounds", 1))
        streamed = self.folder / "streamed"
        self.succeeds(train(self.shards, streamed, *TINY, *STREAM, "--run.rounds", 1))
        self.assert_same_run(streamed, expected)


if __name__ == "__main__":
    support.main()
