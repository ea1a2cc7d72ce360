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
# max-pool that it decides otherwise costs 1e-3 to 1e-1, and which ones lie that near to a tie depends on
# the processor. So a run that differs by more than TOLERANCE is a failure only where the recomputation
# itself moves by less when its initial weights are moved by NOISE, ten times what rounding comes to;
# where it moves by more, the run says nothing and the next seed is taken. A wrong formula differs
# with every seed. (With r decisions a rounding, a right program fails with probability
# exp(-30 r) (1 - exp(-r)), at most 1.3 %, r = 0.03.)
TOLERANCE = 1e-4
NOISE = 3e-6
SEEDS = range(1, 9)


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

    def assert_agree(self, shards, cases, tolerance=TOLERANCE, ranks=(1, 2)):
        """Trains each case (arguments by its name) on each number of ranks and compares. Returns
        the folders of the runs that agree, on the last one, by the cases' names."""
        agreed = {}
        for seed in SEEDS:
            left = {name: cases[name] for name in cases if name not in agreed}
            if not left:
                break
            agreed.update(self.agree_with_seed(seed, shards, left, tolerance, ranks))
        self.assertEqual(set(agreed), set(cases), "differ with every seed")
        return agreed

    def agree_with_seed(self, seed, shards, cases, tolerance, ranks):
        """The folders of the cases that agree with that seed; no other is clear of rounding."""
        agreed, differing = {}, {}
        for count in ranks:
            folders = {
                name: self.train(
                    shards, self.folder / f"{name}-{seed}-on-{count}", {"run.seed": seed, **arguments}, count
                )
                for name, arguments in cases.items()
            }
            for name, report in self.recompute_all(folders, tolerance).items():
                if report.verdict == "agrees":
                    agreed[name] = folders[name]
                else:
                    differing[name] = folders[name]
        for name, report in self.recompute_all(differing, tolerance, "--noise", NOISE).items():
            agreed.pop(name, None)
            self.assertGreaterEqual(report.sensitivity, tolerance, f"{name}, seed {seed}\n{report.text}")
        return agreed

    def recompute_all(self, folders, tolerance, *arguments):
        """Reports by the cases' names."""
        if not folders:
            return {}
        found = reports(recompute("--tolerance", tolerance, *arguments, *folders.values()))
        self.assertEqual(len(found), len(folders))
        return dict(zip(folders, found))
