#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Weights for other programs and from them: `harmofl export`, and `train --model.weights`."""

import collections
import functools
import json
import pathlib
import shutil
import unittest

import support
from support import harmofl, tensors, train

try:
    import torch
except (ImportError, OSError) as error:  # OSError: one of its CUDA libraries is missing
    torch, no_torch = None, f"Python cannot import torch: {error}"
try:
    import safetensors
    import safetensors.numpy
except ImportError:
    safetensors = None

FORMATS = (".safetensors", ".pt")


def needs_torch():
    if torch is None:
        raise unittest.SkipTest(no_torch)


def needs_safetensors():
    if safetensors is None:
        raise unittest.SkipTest("the Python package safetensors is not installed")


def read_safetensors(path):
    """{name: (dtype, shape, bytes)} by the definition of the format, and its metadata."""
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    metadata = header.pop("__metadata__", {})
    found = {}
    for name, info in header.items():
        begin, end = info["data_offsets"]
        found[name] = (info["dtype"], tuple(info["shape"]), content[start + begin : start + end])
    return found, metadata


def learning(**changes):
    """The options of `support.LEARNS` with other values, "train_lr" for train.lr."""
    options = dict(zip(support.LEARNS[::2], support.LEARNS[1::2]))
    options.update({"--" + key.replace("_", ".", 1): value for key, value in changes.items()})
    return [word for option in options.items() for word in option]


@functools.cache
def run_from_best():
    """A run of one round from the best model of `support.trained()`; not to be changed."""
    folder = support.shared_folder() / "from-best"
    best = support.trained() / "best.h5"
    result = train(support.federation(), folder, *learning(run_rounds=1, model_weights=best))
    assert result.code == 0, result
    return folder


class Weights:
    def setUp(self):
        super().setUp()
        self.run_folder = support.trained()
        self.best = self.run_folder / "best.h5"

    def export(self, checkpoint, name, *arguments, **options):
        path = self.folder / name
        return path, harmofl("export", "--checkpoint", checkpoint, "--output", path, *arguments, **options)

    def exported(self, checkpoint, name, *arguments, **options):
        path, result = self.export(checkpoint, name, *arguments, **options)
        self.succeeds(result)
        return path

    def assert_bits(self, found, expected):
        """`found` has the tensors of a checkpoint: {name: NumPy array}."""
        self.assertEqual(sorted(found), sorted(expected))
        for name, values in expected.items():
            array = found[name]
            self.assertEqual(array.shape, values.shape, name)
            if name.endswith("num_batches_tracked"):
                self.assertEqual(array.dtype, "int64", name)
                self.assertEqual(array, values.round(), name)
            else:
                self.assertEqual(array.dtype, "float32", name)
                self.assertEqual(array.tobytes(), values.tobytes(), name)


class Export(Weights, support.ProgramTest):
    def test_safetensors_holds_the_bits_of_the_checkpoint(self):
        expected = tensors(self.best)
        self.assertIn("encoder1.enc1_conv1.weight", expected)
        path = self.exported(self.best, "m.safetensors")
        found, metadata = read_safetensors(path)
        self.assertEqual(sorted(metadata), ["format", "harmofl"])
        self.assertEqual(metadata["format"], "pt")
        self.assert_bits(
            {
                name: support.numpy.frombuffer(data, {"F32": "<f4", "I64": "<i8"}[dtype]).reshape(shape)
                for name, (dtype, shape, data) in found.items()
            },
            expected,
        )

    def test_the_package_safetensors_opens_it(self):
        needs_safetensors()
        path = self.exported(self.best, "m.safetensors")
        self.assert_bits(safetensors.numpy.load_file(path), tensors(self.best))
        needs_torch()
        from safetensors.torch import load_file

        self.assert_bits(
            {name: tensor.numpy() for name, tensor in load_file(path).items()}, tensors(self.best)
        )

    def test_python_opens_a_torch_file_with_weights_only(self):
        needs_torch()
        with support.h5(self.best) as file:
            order = sorted(file["model"], key=lambda name: file["model"][name].attrs["index"])
        state = torch.load(self.exported(self.best, "m.pt"))  # weights_only is the default
        self.assertIs(type(state), dict)
        self.assertEqual(list(state), order)
        self.assert_bits({name: tensor.numpy() for name, tensor in state.items()}, tensors(self.best))

    def test_counts_of_batches_are_int64(self):
        run_folder = self.folder / "run"
        self.succeeds(
            train(support.federation(), run_folder, *support.TINY, "--run.rounds", 1, "--model.norm", "batch")
        )
        expected = tensors(run_folder / "checkpoint.h5")
        counts = [name for name in expected if name.endswith("num_batches_tracked")]
        self.assertTrue(counts)
        found, _ = read_safetensors(self.exported(run_folder / "checkpoint.h5", "m.safetensors"))
        for name in counts:
            self.assertEqual(found[name][:2], ("I64", ()))
        needs_torch()
        state = torch.load(self.exported(run_folder / "checkpoint.h5", "m.pt"))
        self.assert_bits({name: tensor.numpy() for name, tensor in state.items()}, expected)

    def test_the_running_amplitude_is_exported(self):
        run_folder = self.folder / "run"
        self.succeeds(
            train(
                support.federation(),
                run_folder,
                *support.TINY,
                "--run.rounds",
                1,
                "--algorithm.name",
                "harmofl",
            )
        )
        found, _ = read_safetensors(self.exported(run_folder / "best.h5", "m.safetensors"))
        expected = tensors(run_folder / "best.h5")["amp_norm.running_amp"]
        self.assertEqual(found["amp_norm.running_amp"], ("F32", expected.shape, expected.tobytes()))

    def test_says_what_it_wrote_at_any_number_of_ranks(self):
        contents = {suffix: set() for suffix in FORMATS}
        for ranks in (None, 2):
            for suffix in FORMATS:
                path, result = self.export(self.best, f"{ranks}{suffix}", ranks=ranks)
                text = self.succeeds(result).stdout
                parameters = json.loads((self.run_folder / "run.json").read_text())["model_parameters"]
                for words in (
                    path,
                    f"{len(tensors(self.best))} tensors",
                    f"{parameters} parameters",
                    f"{path.stat().st_size} bytes",
                ):
                    self.assertEqual(text.count(str(words)), 1, text)
                contents[suffix].add(path.read_bytes())
        for suffix in FORMATS:
            self.assertEqual(len(contents[suffix]), 1, suffix)

    def with_own_layer(self, site, name):
        """A checkpoint in which `site` keeps `name` of another run; and what that holds."""
        other = self.folder / "other"
        self.succeeds(train(support.federation(), other, *learning(run_rounds=1, run_seed=7)))
        path = pathlib.Path(shutil.copy(self.run_folder / "checkpoint.h5", self.folder))
        with support.h5(path, "r+") as file, support.h5(other / "checkpoint.h5") as source:
            group = file.require_group(f"clients/{site}")
            place = len(group)
            source.copy(f"model/{name}", group, f"local.{name}")
            group[f"local.{name}"].attrs["index"] = place
        return path, tensors(other / "checkpoint.h5")[name]

    def test_a_sites_own_layers_take_the_place_of_the_models(self):
        name = "encoder1.enc1_conv1.weight"
        checkpoint, own = self.with_own_layer("site_1", name)
        shared = tensors(checkpoint)
        self.assertNotEqual(own.tobytes(), shared[name].tobytes())
        for site, expected in (("site_1", {**shared, name: own}), ("site_0", shared)):
            found, _ = read_safetensors(self.exported(checkpoint, f"{site}.safetensors", "--site", site))
            self.assertEqual(
                {key: data for key, (_, _, data) in found.items()},
                {key: values.tobytes() for key, values in expected.items()},
            )

    def test_a_sites_personal_model_takes_the_place_of_the_models(self):
        for memory_format in ("contiguous", "channels-last"):
            with self.subTest(memory_format=memory_format):
                run_folder = self.folder / memory_format
                self.succeeds(
                    train(
                        support.federation(),
                        run_folder,
                        *support.TINY,
                        "--run.rounds",
                        1,
                        "--algorithm.name",
                        "ditto",
                        "--model.norm",
                        "batch",
                        "--model.memory_format",
                        memory_format,
                    )
                )
                for checkpoint in ("best.h5", "checkpoint.h5"):
                    self.assert_personal(run_folder / checkpoint, memory_format)

    def assert_personal(self, checkpoint, memory_format):
        """Every site's file holds the personal vector that the checkpoint has of the site, cut by
        the shapes of the model's tensors, in their order."""
        with support.h5(checkpoint) as file:
            order = sorted(file["model"], key=lambda name: file["model"][name].attrs["index"])
        shared = tensors(checkpoint)
        for site in ("site_0", "site_1", "site_2"):
            personal = tensors(checkpoint, f"clients/{site}")["ditto.personal"]
            found, _ = read_safetensors(self.exported(checkpoint, f"{site}.safetensors", "--site", site))
            place = 0
            for name in order:
                shape = shared[name].shape
                values = personal[place : place + shared[name].size]
                place += shared[name].size
                if len(shape) == 4 and memory_format == "channels-last":
                    out, within, *size = shape
                    values = values.reshape(out, *size, within).transpose(0, 3, 1, 2)
                dtype = "int64" if name.endswith("num_batches_tracked") else "float32"
                expected = support.numpy.ascontiguousarray(values.reshape(shape), dtype)
                self.assertEqual(found[name][1:], (shape, expected.tobytes()), name)
            self.assertEqual(place, personal.size)
            self.assertNotEqual(found["conv.weight"][2], shared["conv.weight"].tobytes())

    def test_a_personal_model_of_another_size_is_refused(self):
        run_folder = self.folder / "run"
        self.succeeds(
            train(
                support.federation(),
                run_folder,
                *support.TINY,
                "--run.rounds",
                1,
                "--algorithm.name",
                "ditto",
            )
        )
        best = run_folder / "best.h5"
        with support.h5(best, "r+") as file:
            name = max(file["model"], key=lambda name: file["model"][name].attrs["index"])
            del file["model"][name]
        self.fails(
            self.export(best, "m.pt", "--site", "site_1")[1],
            1,
            best,
            "ditto.personal",
            "site_1",
            "the model only",
        )

    def test_what_cannot_be_exported(self):
        checkpoint = self.run_folder / "checkpoint.h5"
        self.fails(
            self.export(checkpoint, "m.pt", "--site", "nowhere")[1],
            1,
            checkpoint,
            "'nowhere'",
            "site_0, site_1, site_2",
        )
        self.fails(self.export(self.best, "m.onnx")[1], 2, "m.onnx", ".safetensors, .pt, .pth")
        self.fails(self.export(self.best, "m.h5", ranks=2)[1], 1, "m.h5", ".safetensors or .pt")
        self.fails(self.export(self.folder / "no.h5", "m.pt", ranks=2)[1], 1, "no.h5")
        self.fails(self.export(self.best, "absent/m.pt")[1], 1, "absent")
        self.fails(harmofl("export", "--checkpoint", self.best), 2, "output")
        self.assertEqual(list(self.folder.iterdir()), [])
        siteless = pathlib.Path(shutil.copy(self.best, self.folder))
        with support.h5(siteless, "r+") as file:
            if "clients" in file:
                del file["clients"]
        self.fails(self.export(siteless, "m.pt", "--site", "site_0")[1], 1, siteless, "no sites")


class Import(Weights, support.ProgramTest):
    """A run goes the same way from the same weights, whatever file they come from."""

    def run_from(self, weights, **changes):
        output = self.folder / f"from-{weights.name}"
        return output, train(
            support.federation(), output, *learning(run_rounds=1, model_weights=weights, **changes)
        )

    def assert_starts_from_best(self, weights):
        found, result = self.run_from(weights)
        self.succeeds(result)
        self.assert_same_run(found, run_from_best())

    def test_all_ranks_start_from_the_weights_that_the_root_reads(self):
        output = self.folder / "two"
        options = learning(run_rounds=1, model_weights=self.best)
        self.succeeds(train(support.federation(), output, *options, ranks=2))
        self.assert_same_run(output, run_from_best())

    def test_a_run_from_weights_is_no_other_run(self):
        self.succeeds(train(support.federation(), self.folder / "drawn", *learning(run_rounds=1)))
        self.assertNotEqual(
            tensors(self.folder / "drawn" / "checkpoint.h5")["conv.bias"].tobytes(),
            tensors(run_from_best() / "checkpoint.h5")["conv.bias"].tobytes(),
        )

    def test_a_step_of_no_length_leaves_the_weights_as_they_are(self):
        output, result = self.run_from(self.best, train_lr=1e-30)
        self.succeeds(result)
        before, after = tensors(self.best), tensors(output / "checkpoint.h5")
        with support.h5(self.best) as file:
            trained = [name for name, item in file["model"].items() if item.attrs["role"] == "parameter"]
        unit = 2.0**-44  # of exact sums, in which the few updates are rounded
        for name in trained:
            self.assertTrue(support.numpy.allclose(before[name], after[name], rtol=1e-6, atol=4 * unit), name)

    def test_exported_files(self):
        for suffix in FORMATS:
            with self.subTest(suffix=suffix):
                self.assert_starts_from_best(self.exported(self.best, f"m{suffix}"))

    def test_a_file_of_python_torch_save(self):
        needs_torch()
        # Another order, an OrderedDict as of state_dict(), strides, and a shared storage.
        state = collections.OrderedDict(
            (name, torch.from_numpy(values.copy()))
            for name, values in reversed(list(tensors(self.best).items()))
        )
        state._metadata = collections.OrderedDict([("", {"version": 1})])
        name = next(name for name, tensor in state.items() if tensor.dim() == 4)
        state[name] = state[name].to(memory_format=torch.channels_last)
        path = self.folder / "python.pt"
        torch.save(state, path)
        self.assert_starts_from_best(path)
        torch.save(
            {name: torch.nn.Parameter(tensor) for name, tensor in state.items()},
            self.folder / "parameters.pth",
        )
        self.assert_starts_from_best(self.folder / "parameters.pth")

    def test_a_file_of_the_package_safetensors(self):
        needs_safetensors()
        path = self.folder / "python.safetensors"
        safetensors.numpy.save_file(tensors(self.best), path, {"by": "Python"})
        self.assert_starts_from_best(path)

    def test_float64_is_rounded(self):
        needs_safetensors()
        path = self.folder / "double.safetensors"
        safetensors.numpy.save_file(
            {name: values.astype("float64") for name, values in tensors(self.best).items()}, path
        )
        self.assert_starts_from_best(path)

    def test_what_cannot_be_imported(self):
        absent = self.folder / "absent.pt"
        self.fails(self.run_from(absent)[1], 1, absent)
        garbage = self.folder / "garbage.pt"
        garbage.write_bytes(b"\x80" * 1000)
        self.fails(self.run_from(garbage)[1], 1, garbage, "torch.save")
        whole = self.exported(self.best, "m.safetensors")
        part = self.folder / "part.safetensors"
        part.write_bytes(whole.read_bytes()[:-4])
        self.fails(self.run_from(part)[1], 1, part)
        self.fails(self.run_from(whole, model_width=8)[1], 1, whole, "shape")

    def test_a_python_object_that_is_no_state_dict(self):
        needs_torch()
        path = self.folder / "nested.pt"
        torch.save({"state_dict": {"w": torch.zeros(1)}, "epoch": 3}, path)
        self.fails(self.run_from(path)[1], 1, path, "'state_dict' is a dict", "torch.save(model.state_dict()")


if __name__ == "__main__":
    support.main()
