#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Networks of one's own: `--model.script`, from Python to a run and back."""

import functools
import json
import shutil
import sys
import unittest

import support
from support import harmofl, metrics, tensors, train

sys.path.insert(0, str(support.SOURCE / "tools/pytorch"))
try:
    import harmofl_model
    import torch
    from torch import nn
except (ImportError, OSError) as error:  # OSError: one of its CUDA libraries is missing
    torch, no_torch = None, f"Python cannot import torch: {error}"

TOLERANCE = 1e-5  # of probabilities: sums of float32 products in other orders

if torch is not None:

    class Cnn(nn.Module):
        """The layers of the built-in cnn, by its names; with dropout on request."""

        def __init__(self, width: int = 2, classes: int = 2, dropout: float = 0.0):
            super().__init__()
            self.conv1 = nn.Conv2d(3, width, 3, padding=1)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
            self.bn2 = nn.BatchNorm2d(2 * width)
            self.conv3 = nn.Conv2d(2 * width, 4 * width, 3, padding=1)
            self.bn3 = nn.BatchNorm2d(4 * width)
            self.classifier = nn.Linear(4 * width, classes)
            self.dropout = dropout

        def features(self, x):
            x = nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 2)
            x = nn.functional.max_pool2d(self.bn2(self.conv2(x)).relu(), 2)
            x = nn.functional.max_pool2d(self.bn3(self.conv3(x)).relu(), 2)
            return nn.functional.dropout(x.mean((2, 3)), self.dropout, self.training)

        def forward(self, x):
            return self.classifier(self.features(x))

    class CnnWithFeatures(Cnn):
        @torch.jit.export
        def forward_features(self, x):
            z = self.features(x)
            return self.classifier(z), z

    class Segmenter(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside = nn.Conv2d(3, 4, 3, padding=1)
            self.norm = nn.GroupNorm(2, 4)
            self.head = nn.Conv2d(4, 2, 1)

        def forward(self, x):
            return self.head(self.norm(self.inside(x)).relu())

    class Raises(Segmenter):
        def forward(self, x):
            assert x.mean() > 9, "these images are too dark"
            return self.head(x)

    class Pair(Segmenter):
        def forward(self, x):
            y = self.head(self.inside(x))
            return y, y

    class Counting(Segmenter):
        def __init__(self):
            super().__init__()
            self.register_buffer("places", torch.arange(4))

    class Replacing(Segmenter):
        def __init__(self):
            super().__init__()
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, x):
            if self.training:
                self.seen = self.seen + 1.0
            return self.head(self.inside(x))

    class Tied(Segmenter):
        def __init__(self):
            super().__init__()
            self.other = nn.Conv2d(3, 4, 3, padding=1)
            self.other.weight = self.inside.weight


def saved(path, module):
    torch.jit.script(module).save(str(path))
    return path


@functools.cache
def scripts():
    """A folder with networks as TorchScript and their weights; not to be changed."""
    folder = support.shared_folder() / "scripts"
    folder.mkdir()
    torch.manual_seed(1)
    for name, module in (
        ("cnn", Cnn()),
        ("dropout", Cnn(dropout=0.4)),
        ("features", CnnWithFeatures()),
        ("segmenter", Segmenter()),
    ):
        torch.save(module.state_dict(), folder / f"{name}-weights.pt")
        saved(folder / f"{name}.pt", module)
    return folder


def options(**changes):
    given = {"algorithm_name": "fedavg", "data_batch_size": 4, "run_rounds": 2, "comm_reduce": "exact"}
    given.update(changes)
    return [word for key, value in given.items() for word in ("--" + key.replace("_", ".", 1), value)]


class Scripts:
    def setUp(self):
        super().setUp()
        if torch is None:
            raise unittest.SkipTest(no_torch)
        if support.h5py is None:
            raise unittest.SkipTest("h5py and numpy are not installed")

    def run_of(self, name, script, *, task="classification", ranks=None, more=(), **changes):
        output = self.folder / name
        return output, train(
            support.federation(task), output, *options(model_script=script, **changes), *more, ranks=ranks
        )

    def trained(self, *arguments, **changes):
        output, result = self.run_of(*arguments, **changes)
        self.succeeds(result)
        return output


class Training(Scripts, support.ProgramTest):
    def test_a_script_of_the_layers_of_cnn_trains_to_the_numbers_of_cnn(self):
        same = {
            "model_weights": scripts() / "cnn-weights.pt",
            "model_kernels": "libtorch",
            "model_memory_format": "contiguous",
            "amplitude_band": "dc",
        }
        for method in ("fedavg", "harmofl"):
            found = self.trained(f"script-{method}", scripts() / "cnn.pt", algorithm_name=method, **same)
            built_in = self.folder / f"cnn-{method}"
            extra = options(
                model_name="cnn", model_width=2, model_norm="batch", algorithm_name=method, **same
            )
            self.succeeds(train(support.federation("classification"), built_in, *extra))
            # The same operations of libtorch on the same numbers.
            self.assert_same_run(found, built_in)

    def test_any_number_of_ranks_and_a_resumed_run_have_the_same_bits(self):
        script = scripts() / "dropout.pt"
        expected = self.trained("one", script, run_rounds=3)
        self.assert_same_run(self.trained("two", script, run_rounds=3, ranks=2), expected)
        output = self.trained("resumed", script, run_rounds=1)
        moved = shutil.copy(script, self.folder / "moved.pt")
        self.trained("resumed", moved, run_rounds=3, more=("--resume",))
        self.assert_same_run(output, expected)
        without = self.trained("without", scripts() / "cnn.pt", run_rounds=3)
        losses = [[row["loss"] for row in metrics(folder)] for folder in (expected, without)]
        self.assertNotEqual(*losses)  # dropout does something

    def test_another_script_is_refused_on_resume(self):
        output = self.trained("run", scripts() / "cnn.pt", run_rounds=1)
        _, result = self.run_of("run", scripts() / "dropout.pt", run_rounds=2, more=("--resume",), ranks=2)
        self.fails(result, 1, output / "checkpoint.h5", "another network", "dropout.pt")

    def test_methods(self):
        for method in ("fedprox", "scaffold", "fednova", "ditto", "fedbn", "moon"):
            with self.subTest(method=method):
                output = self.trained(
                    method,
                    scripts() / "features.pt",
                    algorithm_name=method,
                    run_rounds=1,
                    train_optimizer="sgd",
                )
                self.assertTrue((output / "summary.json").exists())
        own = tensors(self.folder / "fedbn" / "checkpoint.h5", "clients/site_0")
        local = sorted(name.removeprefix("local.") for name in own if name.startswith("local."))
        statistics = ("bias", "num_batches_tracked", "running_mean", "running_var", "weight")
        self.assertEqual(local, [f"bn{level}.{name}" for level in (1, 2, 3) for name in statistics])
        _, result = self.run_of("featureless", scripts() / "cnn.pt", algorithm_name="moon", ranks=2)
        self.fails(result, 1, "cnn.pt", "forward_features")

    def test_bfloat16_and_local_statistics(self):
        for name, changes in (("bf16", {"device_precision": "bf16"}), ("local", {"model_buffers": "local"})):
            self.trained(name, scripts() / "cnn.pt", run_rounds=1, **changes)


class FromTheCheckpointAlone(Scripts, support.ProgramTest):
    def test_evaluate_predict_and_export_need_no_script_file(self):
        script = shutil.copy(scripts() / "segmenter.pt", self.folder / "mine.pt")
        run_folder = self.trained(
            "run", script, task="segmentation", algorithm_name="harmofl", train_lr=0.02, run_rounds=1
        )
        script.unlink()
        best = run_folder / "best.h5"
        table = self.folder / "table.json"
        shards = support.federation()
        self.succeeds(
            harmofl("evaluate", "--checkpoint", best, "--shards", shards, "--output", table, ranks=2)
        )
        summary = json.loads((run_folder / "summary.json").read_text())
        for site, values in json.loads(table.read_text()).items():
            self.assertAlmostEqual(values["dice"], summary["test"]["sites"][site]["dice"], delta=1e-6)
        output = self.folder / "out"
        self.succeeds(
            harmofl("predict", "--checkpoint", best, "--input", shards, "--output", output, "--probabilities")
        )
        for suffix in (".safetensors", ".pt"):
            path = self.folder / f"exported{suffix}"
            self.succeeds(harmofl("export", "--checkpoint", best, "--output", path))
            model = harmofl_model.load(path)
            self.assertEqual(model.description["network"]["name"], "script")
            self.assert_agrees(model, shards / "site_0.h5", output / "site_0")
        again = torch.load(self.folder / "exported.pt")
        del again["amp_norm.running_amp"]
        expected = torch.load(scripts() / "segmenter-weights.pt")
        self.assertEqual(list(again), list(expected))
        text = self.succeeds(harmofl("inspect", best)).stdout
        self.assertIn("TorchScript without weights", text)

    def assert_agrees(self, model, shard, folder):
        with support.h5(shard) as file:
            images = torch.from_numpy(file["test/images"][()]).float() / 255
            names = [name.decode() for name in file["test/ids"][()]]
        expected = torch.cat([model.probabilities(batch) for batch in images.split(model.batch_size)])
        for name, values in zip(names, expected.numpy()):
            found = support.numpy.load(folder / f"{name}.npy")
            support.numpy.testing.assert_allclose(found, values, rtol=0, atol=TOLERANCE)

    def test_the_state_dict_goes_back_into_the_class_in_python(self):
        run_folder = self.trained("run", scripts() / "cnn.pt", run_rounds=1)
        path = self.folder / "back.pt"
        self.succeeds(harmofl("export", "--checkpoint", run_folder / "checkpoint.h5", "--output", path))
        model = Cnn()
        model.load_state_dict(torch.load(path))
        exported = harmofl_model.load(path)
        images = torch.rand(3, 3, 32, 32)
        with torch.no_grad():
            self.assertEqual(model.eval()(images).tolist(), exported(images).tolist())

    def test_a_damaged_script_is_noticed(self):
        run_folder = self.trained("run", scripts() / "cnn.pt", run_rounds=1)
        checkpoint = run_folder / "checkpoint.h5"
        with support.h5(checkpoint, "r+") as file:
            file["script"][7] ^= 1
        shards = support.federation("classification")
        self.fails(
            harmofl("evaluate", "--checkpoint", checkpoint, "--shards", shards, ranks=2),
            1,
            "/script",
            "damaged",
        )


class Refused(Scripts, support.ProgramTest):
    def refused(self, path, *texts, task="segmentation", code=1, **changes):
        for ranks in (None, 2):
            output, result = self.run_of("refused", path, task=task, ranks=ranks, **changes)
            self.fails(result, code, *texts)
            self.assertFalse(output.exists())

    def test_what_is_no_network_for_these_images(self):
        whole = scripts() / "segmenter.pt"
        damaged = self.folder / "damaged.pt"
        damaged.write_bytes(whole.read_bytes()[:-100])
        self.refused(damaged, damaged, "not a TorchScript archive")
        weights = scripts() / "cnn-weights.pt"
        self.refused(weights, weights, "not a TorchScript archive")
        self.refused(self.folder / "absent.pt", "absent.pt", "no such file")
        self.refused(scripts() / "cnn.pt", "[2, 2]", "[2, 2, 32, 32]")
        self.refused(whole, "[2, 2, 32, 32]", "[2, 2]", task="classification")
        grey = saved(self.folder / "grey.pt", nn.Sequential(nn.Conv2d(1, 2, 1)))
        self.refused(grey, grey, "fails for images [2, 3, 32, 32]", "expected input")
        self.refused(saved(self.folder / "raises.pt", Raises()), "too dark")
        self.refused(saved(self.folder / "pair.pt", Pair()), "Tuple instead of a tensor")
        self.refused(saved(self.folder / "counting.pt", Counting()), "'places' is Long")
        self.refused(saved(self.folder / "tied.pt", Tied()), "are one tensor")
        self.refused(saved(self.folder / "replacing.pt", Replacing()), "'self.seen' becomes another tensor")
        self.refused(saved(self.folder / "double.pt", Segmenter().double()), "fails")
        frozen = self.folder / "frozen.pt"
        torch.jit.freeze(torch.jit.script(Segmenter().eval())).save(str(frozen))
        self.refused(frozen, "no parameters")

    def test_keys_that_are_of_other_networks(self):
        script = scripts() / "segmenter.pt"
        self.refused(script, "model.width = 4", code=2, model_width=4)
        self.refused(script, "model.norm = batch", code=2, model_norm="batch")
        self.refused(script, "model.name = unet", code=2, model_name="unet")
        self.refused(script, "model.buffers = recompute", code=2, model_buffers="recompute")
        self.refused("", "model.script = FILE.pt", code=2, model_name="script")


class Inspect(Scripts, support.ProgramTest):
    def test_says_what_a_script_has(self):
        text = self.succeeds(harmofl("inspect", scripts() / "features.pt", ranks=2)).stdout
        count = sum(tensor.numel() for tensor in Cnn().parameters())
        for words in (
            f"{count} parameters that are trained",
            "3 BatchNorm2d, 1 CnnWithFeatures, 3 Conv2d, 1 Linear",
            "by forward_features",
            "[2, 3, 64, 64] -> [2, 2]",
            "conv1.weight Float [2, 3, 3, 3]  parameter",
            "bn1.num_batches_tracked Long []  buffer",
        ):
            self.assertIn(words, text)
        self.fails(harmofl("inspect", scripts() / "cnn-weights.pt"), 1, "not a TorchScript archive")


if __name__ == "__main__":
    support.main()
