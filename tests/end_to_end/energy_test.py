# SPDX-License-Identifier: Apache-2.0
"""Joules by phase and rank (run.energy), of counters that the test moves."""

import json
import os
import threading
import time

import support
from support import TINY

LARGEST = 65_532_610_987  # microjoules, as of many processors
ROUNDS = 3
OPTIONS = (*TINY, "--algorithm.name", "fedavg")


class Counters:
    """Two packages as the kernel shows them, of 1000 W each, from just before their counters begin anew."""

    STEP = 5_000_000

    def __init__(self, folder):
        self.folder = folder
        self.used = [0, 0]
        for zone in range(2):
            (folder / f"intel-rapl:{zone}").mkdir(parents=True)
            self.put(zone, "name", f"package-{zone}")
            self.put(zone, "max_energy_range_uj", LARGEST)
            self.show(zone)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def put(self, zone, name, value):
        path = self.folder / f"intel-rapl:{zone}" / name
        path.with_suffix(".new").write_text(f"{value}\n")
        os.replace(path.with_suffix(".new"), path)

    def show(self, zone):
        self.put(zone, "energy_uj", (LARGEST - 3 * self.STEP + self.used[zone]) % LARGEST)

    def run(self):
        while not self.stop.is_set():
            for zone in range(2):
                self.used[zone] += self.STEP
                self.show(zone)
            time.sleep(self.STEP / 1e9)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    @property
    def joules(self):
        return sum(self.used) / 1e6


class Energy(support.ProgramTest):
    def train(self, *arguments, rounds=ROUNDS, powercap=None, **options):
        env = {"HARMOFL_POWERCAP": str(powercap or self.folder / "none"), "HARMOFL_NVML": "libnone.so"}
        words = (*OPTIONS, "--run.rounds", rounds, "--run.energy", "true", *arguments)
        return support.train(support.federation(), self.folder / "run", *words, env=env, **options)

    def lines(self):
        return support.json_lines(self.folder / "run" / "rounds.jsonl")

    def summary(self):
        return json.loads((self.folder / "run" / "summary.json").read_text())["joules"]

    def sum_of_rounds(self):
        return sum(
            joules for line in self.lines() for phase in line["joules"]["cpu"].values() for joules in phase
        )

    def test_phases_and_ranks_have_theirs(self):
        counters = Counters(self.folder / "powercap")
        with counters:
            result = self.succeeds(self.train(ranks=2, powercap=counters.folder))
        self.assertIn("joules of cpu: by package-0, package-1", result.stderr)
        for line in self.lines():
            self.assertEqual(set(line["joules"]), {"cpu"})
            phases = line["joules"]["cpu"]
            self.assertLessEqual(set(line["phases"]) - {"input"}, set(phases) | {"save"})
            self.assertIn("other", phases)
            for of_ranks in phases.values():
                self.assertEqual(len(of_ranks), 2)
                self.assertTrue(all(joules >= 0 for joules in of_ranks), line)
        self.assertGreater(self.sum_of_rounds(), 0)
        # A counter that went round would add 65 kJ if it were not seen, or take them away.
        self.assertLessEqual(self.sum_of_rounds(), counters.joules)

    def test_the_summary_has_the_sums(self):
        counters = Counters(self.folder / "powercap")
        with counters:
            self.succeeds(self.train(ranks=2, powercap=counters.folder))
        found = self.summary()
        self.assertEqual(found["rounds"], ROUNDS)
        self.assertAlmostEqual(found["cpu"]["total"], sum(found["cpu"]["phases"].values()), places=6)
        self.assertGreaterEqual(found["cpu"]["total"], self.sum_of_rounds() - 1e-6)
        self.assertIn("save", found["cpu"]["phases"])  # the last one came after the last round
        self.assertLessEqual(found["cpu"]["total"], counters.joules)
        self.assertNotIn("gpu", found)

    def test_a_resumed_run_adds_to_those_before(self):
        counters = Counters(self.folder / "powercap")
        with counters:
            self.succeeds(self.train(rounds=2, powercap=counters.folder))
            before = self.summary()["cpu"]["phases"]["train"]
            self.succeeds(self.train("--run.resume", "true", powercap=counters.folder))
        found = self.summary()
        self.assertEqual(found["rounds"], ROUNDS)
        self.assertGreaterEqual(found["cpu"]["phases"]["train"], before)
        train = sum(sum(line["joules"]["cpu"]["train"]) for line in self.lines())
        self.assertAlmostEqual(found["cpu"]["phases"]["train"], train, places=6)

    def test_it_is_said_what_is_not_available(self):
        result = self.succeeds(self.train(ranks=2))
        self.assertEqual(result.stderr.count("joules of cpu: not available: rank 0: "), 1, result)
        self.assertTrue(all("joules" not in line for line in self.lines()))
        self.assertEqual(self.summary()["rounds"], 0)
        self.assertIn("has no zone intel-rapl:", self.summary()["cpu"]["not_available"])

    def test_it_changes_no_bit_and_is_off_by_default(self):
        plain = self.folder / "plain"
        self.succeeds(support.train(support.federation(), plain, *OPTIONS, "--run.rounds", ROUNDS))
        summary = json.loads((plain / "summary.json").read_text())
        self.assertNotIn("joules", summary)
        counters = Counters(self.folder / "powercap")
        with counters:
            self.succeeds(self.train(powercap=counters.folder))
        self.assert_same_tensors(plain / "checkpoint.h5", self.folder / "run" / "checkpoint.h5")


if __name__ == "__main__":
    support.main()
