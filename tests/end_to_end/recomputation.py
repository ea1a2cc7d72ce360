# SPDX-License-Identifier: Apache-2.0
"""What the tests of tools/recompute_rounds.py share."""

import dataclasses
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

# Rounding leaves about 2e-6 after a few rounds of a small network with group norm, but a ReLU or a
# max-pool that it decides otherwise costs 1e-3 to 1e-1. Which ones lie that near to a tie depends on the
# processor, so a run is held to TOLERANCE only where the recomputation itself moves by less when its
# initial weights are moved by NOISE: some fifty roundings of a float32 and ten times what these runs
# accumulate, so that three draws that decide nothing otherwise leave rounding little chance to do so
# (with a rate of r decisions a rounding, exp(-30 r) (1 - exp(-r)) < 1.3 % at worst). Where it moves by
# more, the next seed is taken. The program's own result has no say in that.
TOLERANCE = 1e-4
NOISE = 3e-6
SEEDS = range(1, 25)


def recompute(*arguments):
    return support.run((sys.executable, TOOL, *arguments))


@dataclasses.dataclass
class Report:
    """What was printed of a run, its end, and how far the recomputation moves (None without --noise)."""

    text: str
    verdict: str
    sensitivity: float | None


def reports(result):
    """The report of each run."""
    found = re.findall(r"^(.*?)^(agrees|differs)$", result.stdout, re.MULTILINE | re.DOTALL)
    return [Report(text, verdict, sensitivity_of(text)) for text, verdict in found]


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

    def assert_agree(self, shards, cases, tolerance=TOLERANCE):
        """Trains each case (arguments by its name) on one and on two ranks and compares. Returns
        the folders of the runs that were compared, on two ranks, by the cases' names."""
        compared = {}
        for seed in SEEDS:
            left = {name: cases[name] for name in cases if name not in compared}
            if not left:
                break
            compared.update(self.compare_with_seed(seed, shards, left, tolerance))
        self.assertEqual(set(compared), set(cases), "every seed is sensitive to rounding")
        return compared

    def compare_with_seed(self, seed, shards, cases, tolerance):
        """The cases whose recomputation is not sensitive with that seed: their folders."""
        alone = self.train_all(seed, shards, cases, ranks=1)
        on_one = self.recompute_all(alone, tolerance, "--noise", NOISE)
        steady = {name: cases[name] for name in cases if on_one[name].sensitivity < tolerance}
        if not steady:
            return {}
        folders = self.train_all(seed, shards, steady, ranks=2)
        on_two = self.recompute_all(folders, tolerance)
        for name in steady:
            for ranks, report in ((1, on_one[name]), (2, on_two[name])):
                with self.subTest(name, seed=seed, ranks=ranks):
                    self.assertEqual(report.verdict, "agrees", report.text)
        return folders

    def train_all(self, seed, shards, cases, ranks):
        """Run folders by the cases' names."""
        return {
            name: self.train(
                shards, self.folder / f"{name}-{seed}-on-{ranks}", {"run.seed": seed, **arguments}, ranks
            )
            for name, arguments in cases.items()
        }

    def recompute_all(self, folders, tolerance, *arguments):
        """Reports by the cases' names."""
        result = recompute("--tolerance", tolerance, *arguments, *folders.values())
        found = reports(result)
        self.assertEqual(len(found), len(folders), result)
        return dict(zip(folders, found))
