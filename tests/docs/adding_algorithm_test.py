#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The program that docs/adding-an-algorithm.md leads to."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "end_to_end"))
import support
from support import harmofl, train

TINY = (*support.TINY, "--run.rounds", 2)


class AddingAnAlgorithm(support.ProgramTest):
    def test_the_new_method_is_listed_with_its_key_and_paper(self):
        listed = self.succeeds(harmofl("algorithms")).stdout
        self.assertIn("fedexp", listed)
        self.assertIn("algorithm.eps = 0.001", listed)
        self.assertIn("ICLR 2023", listed)
        self.assertIn("--algorithm.eps", self.succeeds(harmofl("train", "--help")).stdout)

    def test_the_new_method_trains_on_any_number_of_ranks(self):
        method = ("--algorithm.name", "fedexp", "--algorithm.eps", 0.0001)
        self.succeeds(train(support.federation(), self.folder / "one", *TINY, *method))
        self.succeeds(train(support.federation(), self.folder / "two", *TINY, *method, ranks=2))
        self.assert_same_run(self.folder / "one", self.folder / "two")
        self.succeeds(
            train(support.federation(), self.folder / "fedavg", *TINY, "--algorithm.name", "fedavg")
        )
        one = support.tensors(self.folder / "one" / "checkpoint.h5")
        fedavg = support.tensors(self.folder / "fedavg" / "checkpoint.h5")
        self.assertTrue(any((one[name] != fedavg[name]).any() for name in one), "the method does nothing")

    def test_a_wrong_value_of_the_new_key_is_refused(self):
        result = train(
            support.federation(),
            self.folder / "run",
            *TINY,
            "--algorithm.name",
            "fedexp",
            "--algorithm.eps",
            2,
        )
        self.fails(result, 1, "algorithm.eps = 2")
        result = train(
            support.federation(),
            self.folder / "run",
            *TINY,
            "--algorithm.name",
            "fedavg",
            "--algorithm.eps",
            0.1,
        )
        self.fails(result, 2, "algorithm.eps", "fedexp", "fedavg")


if __name__ == "__main__":
    support.main()
