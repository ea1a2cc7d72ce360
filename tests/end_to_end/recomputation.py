# SPDX-License-Identifier: Apache-2.0
"""What the tests of tools/recompute_rounds.py share."""

import re
import sys
import unittest

import support

try:
    import h5py  # noqa: F401
    import torch
except (ImportError, OSError) as error:
    torch, reason = None, f"no PyTorch (tools/install-deps.sh --pytorch installs it): {error}"
else:
    reason = ""
    torch.set_num_threads(1)

needs_pytorch = unittest.skipIf(torch is None, reason)

TOOL = support.SOURCE / "tools" / "recompute_rounds.py"

# Rounding leaves about 2e-6 after a few rounds of a small network with group norm. A run is held to
# 1e-4, and only where the recomputation itself moves by less when its initial weights are moved by
# about three roundings of a float32: there no ReLU or max-pool is about to be decided otherwise.
# Where it moves by more, the next seed is taken. The program's own result has no say in that.
TOLERANCE = 1e-4
NOISE = 3e-7
SEEDS = range(1, 9)


def recompute(*arguments):
    return support.run((sys.executable, TOOL, *arguments))


def reports(result):
    """Text, sensitivity (None without --noise) and verdict of each run."""
    found = re.findall(r"^(.*?)^(agrees|differs)$", result.stdout, re.MULTILINE | re.DOTALL)
    return [(text, sensitivity_of(text), verdict) for text, verdict in found]


def sensitivity_of(text):
    line = re.search(r"^sensitivity (\S+)$", text, re.MULTILINE)
    return float(line[1]) if line else None


def words_of(arguments):
    return [word for key, value in arguments.items() for word in (f"--{key}", value)]


class RecomputedTest(support.ProgramTest):
    """A test that trains and holds the runs against the second implementation."""

    def train(self, shards, output, arguments, ranks):
        result = support.train(
            shards,
            output,
            "--run.save_initial",
            "true",
            "--device.threads",
            1,
            *words_of(arguments),
            ranks=ranks,
        )
        self.succeeds(result)
        return output

    def assert_agree(self, shards, cases):
        """Trains each case (arguments by its name) on one and on two ranks and compares. Returns
        the folders of the runs that were compared, on two ranks, by the cases' names."""
        compared = {}
        for seed in SEEDS:
            left = [name for name in cases if name not in compared]
            if not left:
                return compared
            compared.update(self.compare_with_seed(seed, shards, {n: cases[n] for n in left}))
        self.assertEqual(list(compared), list(cases), "every seed is sensitive to rounding")
        return compared

    def compare_with_seed(self, seed, shards, cases):
        """The cases whose recomputation is not sensitive with that seed: their folders."""
        folders = {}
        for name, arguments in cases.items():
            for ranks in (1, 2):
                output = self.folder / f"{name}-{seed}-on-{ranks}"
                folders[name] = self.train(shards, output, {"run.seed": seed, **arguments}, ranks)
        alone = [self.folder / f"{name}-{seed}-on-1" for name in cases]
        on_one = recompute("--tolerance", TOLERANCE, "--noise", NOISE, *alone)
        on_two = recompute("--tolerance", TOLERANCE, *folders.values())
        first, second = reports(on_one), reports(on_two)
        errors = on_one.stderr + on_two.stderr
        self.assertEqual((len(first), len(second)), (len(cases), len(cases)), errors)
        compared = {}
        for name, (text, sensitivity, verdict), other in zip(cases, first, second):
            if sensitivity >= TOLERANCE:
                continue
            compared[name] = folders[name]
            for ranks, end, said in ((1, verdict, text), (2, other[2], other[0])):
                with self.subTest(name, seed=seed, ranks=ranks):
                    self.assertEqual(end, "agrees", said)
        return compared
