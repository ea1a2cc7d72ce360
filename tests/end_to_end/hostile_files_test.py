#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Weights, shards and tables from others that claim more than they hold, or lead elsewhere."""

import os
import pathlib
import shutil
import zlib

import hostile
import support
from hostile import number_op, tensor_ops, text_op

GIB = 1 << 30


class Weights(hostile.HostileTest):
    """`--model.weights` of a bomb: refused with little memory, and the run folder is not made."""

    def refuses(self, path, *texts, ranks=(None,)):
        output = self.folder / "run"
        words = ("train", "--data.shards", hostile.federation(), "--run.output", output, *hostile.SMALL)
        self.refused((*words, "--model.weights", path), path, *texts, ranks=ranks)
        self.assertFalse((output / "checkpoint.h5").exists())

    def safetensors(self, header, data=b""):
        hostile.write_safetensors(self.folder / "w.safetensors", header, data)
        return self.folder / "w.safetensors"

    def torch(self, pickle, *storages):
        hostile.write_torch(self.folder / "w.pt", pickle, *storages)
        return self.folder / "w.pt"

    def test_safetensors_of_nested_json(self):
        self.refuses(self.safetensors('{"a":' + "[" * 2_000_000), "nests")
        self.refuses(self.safetensors('{"a":' * 400_000), "nests")

    def test_safetensors_of_zeros_that_take_no_room(self):
        count = GIB  # 4 GiB of float32, which the machine may hold, but not the process here
        tensor = f'{{"dtype":"F32","shape":[{count}],"data_offsets":[0,{4 * count}]}}'
        self.refuses(
            self.safetensors(f'{{"conv1.weight":{tensor}}}', 4 * count), "memory", ranks=hostile.RANKS
        )
        larger = self.safetensors(f'{{"conv1.weight":{tensor.replace("F32", "U8")}}}', 4 * count)
        self.refuses(larger)

    def test_safetensors_of_very_many_tensors(self):
        empty = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
        header = ",".join(f'"{number}":{empty}' for number in range(300_000))
        self.refuses(self.safetensors("{" + header + "}"))

    def test_pickle_that_copies_a_long_name(self):
        name = text_op("k" * 90_000) + b"q\1"
        items = {f"{number:x}": tensor_ops("", 0, [0], recalled=b"h\1") for number in range(500)}
        self.refuses(self.torch(hostile.pickle_of(items, before=name + b"0")))

    def test_pickle_of_many_tensors_of_one_storage(self):
        items = {f"{number:x}": tensor_ops("0", 1 << 20, [1 << 20]) for number in range(500)}
        path = self.torch(hostile.pickle_of(items), bytes(4 << 20))
        self.refuses(path, "storage", ranks=hostile.RANKS)

    def test_pickle_of_a_recalled_tensor_under_many_names(self):
        before = tensor_ops("0", 1 << 20, [1 << 20]) + b"q\1"
        items = {f"{number:x}": b"h\1" for number in range(2000)}
        self.refuses(self.torch(hostile.pickle_of(items, before), bytes(4 << 20)), "storage")

    def test_pickle_of_values_without_end(self):
        # A list that holds itself, and tuples of tuples.
        self.refuses(self.torch(b"\x80\2]q\1h\1a."))
        self.refuses(self.torch(b"\x80\2)" + b"\x85" * 2_000_000 + b"."))

    def test_pickle_that_calls_what_it_wants(self):
        marker = self.folder / "called"
        for call in (b"cos\nsystem\n(" + text_op(f"touch {marker}") + b"tR", b"cbuiltins\neval\n)R"):
            pickle = hostile.pickle_of({"conv1.weight": call})
            self.refuses(self.torch(pickle))
            self.assertFalse(marker.exists())

    def test_pickle_of_sizes_that_overflow(self):
        for shape in ([2**62, 4], [-1], [2**31, 2**31, 4]):
            items = {"conv1.weight": tensor_ops("0", 2**62, shape)}
            self.refuses(self.torch(hostile.pickle_of(items), bytes(64)), "conv1.weight")
        self.assertEqual(len(number_op(2**62)), 10)

    def test_one_flipped_bit_of_a_torch_file(self):
        path = self.folder / "w.pt"
        words = ("export", "--checkpoint", hostile.trained() / "best.h5", "--output", path)
        self.succeeds(hostile.harmofl(*words))
        content = bytearray(path.read_bytes())
        weight = support.tensors(hostile.trained() / "best.h5")["classifier.weight"].tobytes()
        content[content.index(weight) + 5] ^= 0x40
        path.write_bytes(content)
        self.refuses(path, "checksum", ranks=hostile.RANKS)

    def test_weights_that_are_not_numbers(self):
        path = self.folder / "w.safetensors"
        words = ("export", "--checkpoint", hostile.trained() / "best.h5", "--output", path)
        self.succeeds(hostile.harmofl(*words))
        content = path.read_bytes()
        path.write_bytes(content[:-4] + bytes([0, 0, 0xC0, 0x7F]))  # the last value is NaN
        self.refuses(path, "NaN")

    def test_names_that_forge_lines_or_fill_the_screen(self):
        tensor = '{"dtype":"%s","shape":[0],"data_offsets":[0,0]}'
        forged = tensor % "\\u001b[31m\\nerror: forged"
        self.refuses(self.safetensors(f'{{"conv1.weight":{forged}}}'), "forged")
        long = "n" * 10_000_000
        self.refuses(self.safetensors(f'{{"{long}":{tensor % "F32"}}}'))

    def test_zip_that_claims_one_entry_twice(self):
        pickle = hostile.pickle_of({"conv1.weight": tensor_ops("0", 4, [4])})
        path = self.folder / "w.pt"
        entries = [("archive/data.pkl", pickle), ("archive/data/0", bytes(16)), ("archive/data/0", bytes(16))]
        hostile.write_zip(path, entries)
        self.refuses(path, "twice")


class Shards(hostile.HostileTest):
    """One hostile shard beside a good one."""

    def setUp(self):
        super().setUp()
        self.shards = shutil.copytree(hostile.federation(), self.folder / "shards")
        self.shard = self.shards / "site_1.h5"

    def refuses(self, *texts, ranks=(None,), **options):
        output = self.folder / "run"
        words = ("train", "--data.shards", self.shards, "--run.output", output, *hostile.SMALL)
        self.refused(words, self.shard, *texts, ranks=ranks, unchanged=(self.shards,), **options)
        self.assertFalse((output / "config.ini").exists())

    def edited(self):
        return support.h5(self.shard, "r+")

    def write_repeated(self, file, name, length, count):
        """Texts of `length` bytes, one in the file and `count` references to it in one chunk."""
        kind = support.h5py.string_dtype()
        one = file.create_dataset(name + "one", data=["t" * length], dtype=kind, chunks=(1,))
        file.flush()
        _, reference = one.id.read_direct_chunk((0,))
        many = file.create_dataset(name, shape=(count,), dtype=kind, chunks=(count,), compression="gzip")
        many.id.write_direct_chunk((0,), zlib.compress(reference * count, 9))

    def test_one_text_many_times(self):
        with self.edited() as file:
            del file["train/ids"]
            self.write_repeated(file, "train/ids", 100_000, 4_000_000)
        self.assertLess(self.shard.stat().st_size, 1 << 20)
        self.refuses("/train/ids", ranks=hostile.RANKS)

    def test_a_text_of_4_gb(self):
        with self.edited() as file:
            del file["train/ids"]
            kind = support.h5py.h5t.C_S1.copy()
            kind.set_size(2**32 - 1)
            space = support.h5py.h5s.create_simple((100,))
            support.h5py.h5d.create(file["train"].id, b"ids", kind, space)
        self.refuses("/train/ids")

    def test_classes_of_one_text_many_times(self):
        with self.edited() as file:
            self.write_repeated(file, "names", 60_000, 1000)
            names = file["names"]
            attribute = file.attrs
            del attribute["class_names"]
            attribute.create("class_names", names[:1000].tolist(), dtype=support.h5py.string_dtype())
            del file["names"]
        self.refuses("class_names")

    def test_links_that_lead_elsewhere(self):
        for kind in ("external", "soft"):
            with self.subTest(attack=kind), self.edited() as file:
                for name in ("train/images", "train/labels"):
                    del file[name]
                    link = support.h5py.ExternalLink("site_0.h5", f"/{name}")
                    file[name] = link if kind == "external" else support.h5py.SoftLink(f"/test/{name[6:]}")
            self.refuses("link", ranks=(None,) if kind == "soft" else hostile.RANKS)

    def test_values_in_another_file(self):
        secret = self.folder / "secret"
        secret.write_bytes(b"s" * 6 * 3 * 16 * 16)
        with self.edited() as file:
            attributes = dict(file["train/images"].attrs)
            del file["train/images"]
            file.create_dataset(
                "train/images", (6, 3, 16, 16), "u1", external=[(str(secret), 0, 6 * 3 * 16 * 16)]
            ).attrs.update(attributes)
        self.refuses("/train/images", "another file")

    def test_a_virtual_dataset(self):
        layout = support.h5py.VirtualLayout((6, 3, 16, 16), "u1")
        layout[:] = support.h5py.VirtualSource("site_0.h5", "train/images", (6, 3, 16, 16))
        with self.edited() as file:
            attributes = dict(file["train/images"].attrs)
            del file["train/images"]
            file.create_virtual_dataset("train/images", layout).attrs.update(attributes)
        self.refuses("/train/images", "another file")

    def test_a_filter_that_would_be_loaded(self):
        with self.edited() as file:
            attributes = dict(file["train/images"].attrs)
            del file["train/images"]
            create = support.h5py.h5p.create(support.h5py.h5p.DATASET_CREATE)
            create.set_chunk((6, 3, 16, 16))
            optional = support.h5py.h5z.FLAG_OPTIONAL
            create.set_filter(32001, optional, (1, 2))
            create.set_fletcher32()
            space = support.h5py.h5s.create_simple((6, 3, 16, 16))
            made = support.h5py.h5d.create(
                file["train"].id, b"images", support.h5py.h5t.STD_U8LE, space, dcpl=create
            )
            support.h5py.Dataset(made)[...] = 7
            file["train/images"].attrs.update(attributes)
        self.refuses("/train/images", ranks=(None,), env={"HDF5_PLUGIN_PATH": self.folder})

    def test_names_of_sites(self):
        for name in (".", "a\nb", "\x1b[31mred"):
            with self.subTest(attack=repr(name)):
                with self.edited() as file:
                    file.attrs["site"] = name
                self.refuses("site", ranks=hostile.RANKS if name == "." else (None,))

    def test_texts_that_forge_lines(self):
        for name, value in (("task", "\x1b[2J\nerror: forged"), ("class_names", ["a\nerror: forged", "b"])):
            with self.subTest(attack=name):
                with self.edited() as file:
                    before = file.attrs[name]
                    file.attrs[name] = value
                self.refuses("forged")
                with self.edited() as file:
                    file.attrs[name] = before

    def test_a_site_without_training_images(self):
        with self.edited() as file:
            empty = "99aa06d3014798d86001c324468d497f"  # checksum of no bytes
            for name in ("train/images", "train/labels"):
                shape, kind = (0, *file[name].shape[1:]), file[name].dtype
                del file[name]
                file.create_dataset(name, shape, kind).attrs["xxh3"] = empty
            for name in ("train/ids", "train/groups"):
                if name in file:
                    del file[name]
                    file.create_dataset(name, (0,), support.h5py.string_dtype())
        output = self.folder / "run"
        words = ("train", "--data.shards", self.shards, "--run.output", output, *hostile.SMALL)
        self.refused(words, "site_1", "no training samples", ranks=hostile.RANKS)
        self.assertFalse((output / "metrics.jsonl").exists())

    def test_a_name_that_is_not_utf8(self):
        with self.edited() as file:
            file.attrs["site"] = support.numpy.bytes_(b"a\xff\xfeb")
        self.refuses("UTF-8")


class Inputs(hostile.HostileTest):
    """What looks like an input and cannot be read is an error, not left out."""

    def setUp(self):
        super().setUp()
        self.shards = shutil.copytree(hostile.federation(), self.folder / "shards")
        self.shard = self.shards / "site_0.h5"

    def test_shards(self):
        def dangling():
            self.shard.symlink_to(self.folder / "nowhere.h5")

        makers = (
            ("dangling link", dangling),
            ("link to itself", lambda: self.shard.symlink_to(self.shard)),
            ("FIFO", lambda: os.mkfifo(self.shard)),
            ("folder", self.shard.mkdir),
        )
        output = self.folder / "run"
        words = ("train", "--data.shards", self.shards, "--run.output", output, *hostile.SMALL)
        for name, make in makers:
            shutil.rmtree(self.shard) if self.shard.is_dir() else self.shard.unlink()
            make()
            with self.subTest(attack=name):
                ranks = hostile.RANKS if name == "FIFO" else (None,)
                self.refused(words, self.shard, ranks=ranks, unchanged=(self.shards, output))

    def test_a_link_to_a_shard_is_a_shard(self):
        self.shard.rename(self.folder / "elsewhere.h5")
        self.shard.symlink_to(self.folder / "elsewhere.h5")
        result = hostile.train(self.shards, self.folder / "run", "--run.rounds", 1)
        self.assertIn("2 clients", self.succeeds(result).stderr)


class Tables(hostile.HostileTest):
    """Tables of devices that are not what they should be."""

    def refuses(self, content, *texts, ranks=(None,), path=None):
        path = path or self.folder / "fleet.csv"
        if content is not None:
            path.write_bytes(content)
        output = self.folder / "run"
        words = ("train", "--data.shards", hostile.federation(), "--run.output", output, *hostile.SMALL)
        self.refused((*words, "--fleet.table", path), path, *texts, ranks=ranks)

    def test_a_million_columns(self):
        columns = ",".join(f"c{number}" for number in range(1_000_000))
        self.refuses(f"client,{columns}\n".encode(), ranks=hostile.RANKS)

    def test_values_that_are_no_numbers_or_endless(self):
        for value in (b"0x10", b"nan", "\uff11\uff12".encode(), b"1" * 5_000_000, b"1\0"):
            with self.subTest(attack=value[:10]):
                self.refuses(b"client,speed\nsite_0," + value + b"\nsite_1,1\n", "speed")

    def test_names_that_forge_lines(self):
        self.refuses(b'client,speed\n"x\nerror: forged\x1b[31m",1\n', "forged")
        self.refuses(b"client,speed\nsite_0\0,1\n", "site_0")

    def test_what_is_no_file(self):
        self.refuses(None, path=self.folder, ranks=hostile.RANKS)
        self.refuses(None, path=pathlib.Path("/dev/zero"))

    def test_what_spreadsheets_write(self):
        path, output = self.folder / "fleet.csv", self.folder / "run"
        path.write_bytes(b'\xef\xbb\xbf"client","speed"\r\n"site_0","1"\r\n"site_1","2"\r\n')
        words = ("--fleet.table", path, "--run.rounds", 1)
        self.succeeds(hostile.train(hostile.federation(), output, *words))
        self.assertIn("site_1,2,", (output / "fleet.csv").read_text())


if __name__ == "__main__":
    support.main()
