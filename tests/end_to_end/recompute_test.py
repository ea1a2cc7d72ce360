#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/recompute_rounds.py: plain PyTorch comes to what `harmofl train` came to with every method."""

import functools
import pathlib
import re
import shutil
import unittest

import recomputation
import support
from recomputation import needs_pytorch, recompute

ROUNDS = {
    "run.rounds": 2,
    "model.width": 2,
    "data.batch_size": 4,
    "data.shuffle": "false",
    "data.augment": "false",
    "train.optimizer": "sgd",
    "train.lr": 0.05,
    "comm.reduce": "exact",
}

# What is checked, under a name of its own. SCAFFOLD and FedDyn are derived for plain steps.
METHODS = {
    "fedavg": {},
    "fedavgm": {},
    "fedprox": {"algorithm.mu": 0.5},
    "fednova": {},
    "fedadam": {},
    "fedyogi": {},
    "fedadagrad": {},
    "fedbn": {},
    "moon": {},
    "scaffold": {"train.momentum": 0},
    "feddyn": {"train.momentum": 0, "algorithm.a": 0.1},
    "fedsam": {},
    "fedsam-adaptive": {
        "algorithm.name": "fedsam",
        "perturbation.adaptive": "true",
        "perturbation.eta": 0.01,
    },
    "ditto": {},
    "harmofl": {},
    "combination": {
        "algorithm.name": "fedprox",
        "algorithm.mu": 0.5,
        "amplitude.band": "dc",
        "perturbation.alpha": 0.05,
    },
    "local-statistics": {"algorithm.name": "fedavg", "model.norm": "batch", "model.buffers": "local"},
    "new-statistics": {"algorithm.name": "harmofl", "model.norm": "batch", "model.buffers": "recompute"},
}


def assert_methods_agree(test, task, norm, ranks):
    """A decision that flips at these batches of four costs more than 1e-3, and the methods part from
    each other by 2e-2 and more. That ranks do not matter is asked elsewhere."""
    cases = {
        name: {"algorithm.name": name, "model.norm": norm, **ROUNDS, **method}
        for name, method in METHODS.items()
    }
    runs = test.assert_agree(support.federation(task), cases, tolerance=1e-3, ranks=[ranks])
    test.assertEqual(set(runs), set(METHODS))


@needs_pytorch
class RecomputeClassification(recomputation.RecomputedTest):
    def test_every_method(self):
        assert_methods_agree(self, "classification", "batch", ranks=2)


@needs_pytorch
class RecomputeSegmentation(recomputation.RecomputedTest):
    def test_every_method(self):
        # Batch norm of batches of four multiplies rounding in these small networks a thousandfold.
        assert_methods_agree(self, "segmentation", "group", ranks=1)


@functools.cache
def fedprox():
    """A run folder, made once; not to be changed."""
    folder = support.shared_folder() / "fedprox"
    keys = {**ROUNDS, "algorithm.name": "fedprox", "algorithm.mu": 0.5, "run.save_initial": "true"}
    result = support.train(
        support.federation("classification"), folder, *recomputation.words_of(keys), ranks=2
    )
    assert result.code == 0, result
    return folder


@needs_pytorch
class RecomputeNotices(support.ProgramTest):
    def setUp(self):
        super().setUp()
        self.run_folder = pathlib.Path(shutil.copytree(fedprox(), self.folder / "run"))

    def edit_configuration(self, line, other):
        path = self.run_folder / "config.ini"
        text = path.read_text()
        self.assertEqual(len(re.findall(f"^{line}$", text, re.MULTILINE)), 1, text)
        path.write_text(re.sub(f"^{line}$", other, text, flags=re.MULTILINE))

    def test_another_parameter_of_the_method(self):
        self.edit_configuration("mu = 0.5", "mu = 0.4")
        result = recompute(self.run_folder)
        self.assertEqual(result.code, 1, result)
        self.assertIn("above 0.001", result.stdout)
        self.assertEqual(result.stdout.splitlines()[-1], "differs")

    def test_a_round_too_few(self):
        self.edit_configuration("rounds = 2", "rounds = 3")
        self.fails(recompute(self.run_folder), 2, "checkpoint.h5", "2 of 3 rounds")

    def test_missing_initial_model(self):
        (self.run_folder / "initial.h5").unlink()
        result = self.fails(
            recompute(self.run_folder, fedprox()),
            2,
            self.run_folder / "initial.h5",
            "no such file",
            "run.save_initial",
        )
        self.assertEqual(result.stdout.splitlines()[-1], "agrees")  # the other run
        self.succeeds(recompute(self.run_folder, "--initial", fedprox() / "initial.h5"))

    def test_a_round_that_lost_an_update(self):
        path = self.run_folder / "rounds.jsonl"
        path.write_text(path.read_text().replace('"counted":3', '"counted":2', 1))
        result = recompute(self.run_folder)
        self.assertEqual(result.code, 1, result)
        self.assertIn("counted of round 0 in rounds.jsonl", result.stdout)

    def test_augmentation_that_was_not_done(self):
        self.edit_configuration("augment = false", "augment = true")
        self.fails(recompute(self.run_folder), 2, "config.ini", "data.augment")


@needs_pytorch
class RecomputeTraces(unittest.TestCase):
    """That the recomputation is right itself: it reproduces rounds that others computed."""

    def test_rounds_of_the_traces(self):
        import traces  # needs PyTorch

        folder = traces.folder()
        initial, batches = traces.read_common(folder / "fed_common.h5")
        seen = 0
        for name, more in traces.CASES.items():
            path = folder / f"fed_{name}.h5"
            if not path.is_file():
                continue
            seen += 1
            trace = traces.Trace(path, initial, batches, more)
            for index, (update, buffers) in enumerate(trace.errors()):
                with self.subTest(name, round=index + 1):
                    self.assertLessEqual(update, trace.tolerance[index])
                    self.assertLessEqual(buffers, 1.0)
        self.assertGreater(seen, 0, f"no traces of rounds in {folder}")


if __name__ == "__main__":
    support.main()
