#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What tools/study.py will run, and in which order: tables, without running anything."""

import pathlib
import sys
import tempfile
import unittest
from collections import Counter

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests/tools")]

try:
    from report_support import write_run

    from study import tuned
    from study.data import deal
    from study.driver import Clock
    from study.errors import StudyError
    from study.experiments import EXPERIMENTS, METHODS, STEPS, STRENGTHS, Variant
    from study.plan import Data, best_rates, case, command, part, plan, with_keys
    from study.steps import radii
except ImportError as missing:  # set up without tools/install-deps.sh
    print(f"skipped: {missing} (tools/install-deps.sh installs it)")
    sys.exit(77)

NEW_SITES = EXPERIMENTS["new-sites"]


class Plan(unittest.TestCase):
    def test_every_combination_once(self):
        cases = plan(NEW_SITES)
        methods = [name for name in METHODS if name != "local"]
        self.assertEqual(len(cases), len(methods) * len(STRENGTHS) * 5)
        self.assertEqual(len({one.name for one in cases}), len(cases))
        self.assertEqual(
            Counter((one.method, one.data.strength, one.seed) for one in cases),
            Counter((m, s, seed) for m in methods for s in STRENGTHS for seed in range(5)),
        )

    def test_whatever_has_been_run_can_be_compared(self):
        """Seed 0 of all before seed 1 of any; within a seed a strength is done before the next begins."""
        cases = plan(NEW_SITES)
        self.assertEqual([one.seed for one in cases], sorted(one.seed for one in cases))
        first = cases[: len(cases) // 5]
        strengths = [one.data.strength for one in first]
        self.assertEqual(list(dict.fromkeys(strengths)), list(STRENGTHS))
        self.assertEqual(strengths, [s for s in STRENGTHS for _ in range(10)])

    def test_the_last_site_is_held_out(self):
        for one in plan(NEW_SITES):
            self.assertEqual(one.held_out, "site_3")
            self.assertEqual(dict(one.keys)["data.hold_out"], "site_3")
        statistics = {one.method: dict(one.keys).get("data.hold_out_statistics") for one in plan(NEW_SITES)}
        self.assertEqual({name for name, value in statistics.items() if value}, {"fedbn"})

    def test_images_in_one_place_are_as_many_a_round(self):
        self.assertIn(f"local_steps = {STEPS}\n", (ROOT / "jobs/study.ini").read_text())
        for name, clients in (("new-sites", 3), ("graded-8", 8)):
            keys = {one.method: dict(one.keys) for one in plan(EXPERIMENTS[name], [0])}
            self.assertEqual(keys["pooled"]["train.local_steps"], str(STEPS * clients))
            self.assertNotIn("train.local_steps", keys["fedavg"])

    def test_each_site_is_held_out_once(self):
        held = [one.held_out for one in plan(EXPERIMENTS["new-sites-each"], [0]) if one.method == "fedavg"]
        self.assertEqual(held, ["site_0", "site_1", "site_2", "site_3"])
        names = {one.setting for one in plan(EXPERIMENTS["new-sites-each"], [0])}
        self.assertIn("strength1-without-site_2", names)

    def test_each_real_group_is_held_out_once(self):
        cases = plan(EXPERIMENTS["real-sites"], [0])
        groups = ["bf1024", "fluo256", "fluo360", "fluo520", "he_violet", "he_white"]
        self.assertEqual([one.held_out for one in cases if one.method == "harmofl"], groups)
        pooled = Variant("pooled", METHODS["pooled"])
        one = case(EXPERIMENTS["real-sites"], pooled, 0, 0.0, "bf1024")
        self.assertEqual(dict(one.keys)["train.local_steps"], str(5 * STEPS))

    def test_named_groups_are_held_out_in_turn(self):
        cases = plan(EXPERIMENTS["real-stained"], [0])
        self.assertEqual(
            [(one.held_out, one.setting) for one in cases if one.method == "harmofl"],
            [(name, f"strength0-without-{name}") for name in ("he_violet", "he_white")],
        )
        self.assertEqual({one.data.name for one in cases}, {"real-6-strength0-draw0"})

    def test_nobody_is_held_out_of_graded(self):
        for name, sites in (("graded-4", 4), ("graded-8", 8)):
            for one in plan(EXPERIMENTS[name], [0]):
                self.assertEqual((one.held_out, one.data.sites), ("", sites))
                self.assertNotIn("data.hold_out", dict(one.keys))

    def test_data_by_seed_and_strength(self):
        """Each seed has scanners of its own; without any strength all have the same images."""
        found = {(one.seed, one.data.strength): one.data for one in plan(NEW_SITES)}
        self.assertEqual(found[0, 0.0], found[4, 0.0])
        self.assertEqual(found[3, 0.5], Data("dark", 4, 0.5, 3))
        self.assertEqual(found[3, 0.5].name, "dark-4-strength0.5-draw3")
        found = {(one.seed, one.data.draw) for one in plan(EXPERIMENTS["rates"])}
        self.assertEqual(
            found, {(1000, 1000), (1001, 1001), (1002, 1002)}, "seeds and scanners that no experiment has"
        )

    def test_equal_budgets(self):
        counts = Counter(one.method.rpartition("-lr")[0] for one in plan(EXPERIMENTS["rates"]))
        self.assertEqual(counts, dict.fromkeys(METHODS, 3 * 3))
        counts = Counter(
            (one.method.rpartition("-lr")[0], one.held_out) for one in plan(EXPERIMENTS["rates-real"])
        )
        methods = ("fedavg", "harmofl", "amplitude", "perturbation", "fedbn")
        self.assertEqual(counts, {(m, h): 3 * 2 for m in methods for h in ("he_violet", "he_white")})

    def test_seeds_of_rates_are_their_own(self):
        chosen = {one.seed for e in EXPERIMENTS.values() if not e.rates for one in plan(e)}
        others = {one.seed for e in EXPERIMENTS.values() if e.rates for one in plan(e)}
        self.assertEqual(chosen & others, set())

    def test_seeds(self):
        self.assertEqual({one.seed for one in plan(NEW_SITES, [7])}, {7})

    def test_shares(self):
        cases = plan(NEW_SITES)
        shares = [part(cases, index, 3) for index in (1, 2, 3)]
        self.assertEqual(
            sorted(one.name for share in shares for one in share), sorted(one.name for one in cases)
        )
        self.assertLessEqual(max(map(len, shares)) - min(map(len, shares)), 1)

    def test_factors(self):
        cases = plan(EXPERIMENTS["factors"], [0])
        self.assertEqual(len(cases), 4 * 2 * 7)
        found = {one.method: one for one in cases}
        own = found["group-replicate-own"]
        self.assertEqual(
            (own.network.norm, own.network.padding, own.network.centred), ("group", "replicate", True)
        )
        self.assertEqual(dict(found["none-zeros-dc+alpha"].keys)["perturbation.alpha"], "0.05")

    def test_factors_at_real_sites(self):
        cases = plan(EXPERIMENTS["factors-real"], [0])
        self.assertEqual(len(cases), 2 * 2 * 2 * 3)
        found = {one.method: one for one in cases if one.held_out == "he_white"}
        self.assertEqual(dict(found["group-replicate-dc"].keys)["amplitude.band"], "dc")
        for part, centred in (("none", False), ("own", True)):
            one = found[f"batch-stateless-replicate-{part}"]
            self.assertNotIn("amplitude.band", dict(one.keys))
            self.assertEqual((one.network.padding, one.network.centred), ("replicate", centred))

    def test_command(self):
        one = with_keys(plan(NEW_SITES, [2])[1], {"harmofl": {"train.lr": "0.3"}})
        words = command(one, "harmofl", pathlib.Path("x.ini"), pathlib.Path("shards"), pathlib.Path("run"))
        self.assertEqual(words[:4], ["harmofl", "train", "--config", "x.ini"])
        options = dict(zip(words[2::2], words[3::2]))
        self.assertEqual(
            options,
            {
                "--config": "x.ini",
                "--data.shards": "shards",
                "--run.output": "run",
                "--run.name": "new-sites/strength0/harmofl-seed2",
                "--run.seed": "2",
                "--run.resume": "true",
                "--device.threads": "1",
                "--device.lanes": "1",
                "--algorithm.name": "harmofl",
                "--data.hold_out": "site_3",
                "--train.lr": "0.3",
            },
        )


class Tuning(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="harmofl-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_the_best_rate_of_each(self):
        scores = [("a-lr0.1", 0.5), ("a-lr0.3", 0.7), ("a-lr1", 0.7), ("b-lr0.1", 0.2), ("b-lr0.3", 0.1)]
        self.assertEqual(best_rates(scores), {"a": {"train.lr": "0.3"}, "b": {"train.lr": "0.1"}})

    def test_the_best_rate_is_that_of_the_mean_over_seeds(self):
        scores = [("a-lr0.3", 0.9), ("a-lr1", 0.8), ("a-lr0.3", 0.2), ("a-lr1", 0.5), ("a-lr3", 0.6)]
        self.assertEqual(best_rates(scores), {"a": {"train.lr": "1"}})

    def test_what_the_experiment_sets_wins(self):
        one = plan(EXPERIMENTS["factors"], [0])[0]
        keys = {"fedavg": {"train.lr": "0.3", "algorithm.name": "moon"}}
        self.assertEqual(dict(with_keys(one, keys).keys)["algorithm.name"], "fedavg")
        self.assertEqual(dict(with_keys(one, keys).keys)["train.lr"], "0.3")

    def write_rates(self, experiment, good):
        """Runs that chose rates, of methods and sites held out with the rate that is good."""
        for one in plan(EXPERIMENTS[experiment]):
            method, _, rate = one.method.rpartition("-lr")
            if (method, one.held_out) in good:
                score, other = (0.8, 0.1) if rate == good[method, one.held_out] else (0.5, 0.9)
                write_run(self.folder / one.name, scores={"site_0": score}, held_out={one.held_out: other})

    def found(self, experiment, *methods):
        """Learning rates of the runs of seed 0, by method and site held out."""
        cases = [one for one in plan(EXPERIMENTS[experiment], [0]) if one.method in methods]
        return {
            (one.method, one.held_out): dict(one.keys)["train.lr"]
            for one in tuned.tune(None, self.folder, cases)
        }

    def test_rates_from_runs(self):
        """By the validation score of the sites that trained; the one held out has no say."""
        good = {("fedavg", "site_3"): "0.3", ("moon", "site_3"): "1"}
        self.write_rates("rates", good)
        self.assertEqual(self.found("new-sites", "fedavg", "moon"), good)
        with self.assertRaisesRegex(StudyError, "has not ended, .* Run --only rates,"):
            self.found("new-sites", "fedavg", "harmofl")

    def test_rates_chosen_with_another_site_held_out_serve_where_there_are_no_others(self):
        self.write_rates("rates", {("fedavg", "site_3"): "0.3"})
        self.assertEqual(set(self.found("real-sites", "fedavg").values()), {"0.3"})
        self.assertEqual(self.found("graded-8", "fedavg"), {("fedavg", ""): "0.3"})

    def test_each_federation_has_the_rate_that_it_chose(self):
        good = {("fedavg", "he_white"): "0.3", ("fedavg", "he_violet"): "1"}
        self.write_rates("rates-real", good)
        self.assertEqual(self.found("real-stained", "fedavg"), good)
        part = "group-zeros-dc"
        wanted = {(part, "he_white"): "0.3", (part, "he_violet"): "1"}
        self.assertEqual(self.found("factors-real", part), wanted)
        with self.assertRaisesRegex(StudyError, "Run --only rates-real,"):
            self.found("real-stained", "harmofl")

    def test_keys_from_files(self):
        (self.folder / "harmofl.ini").write_text(
            "[run]\nrounds = 7\n[algorithm]\nname = harmofl\n"
            "[train]\nlr = 0.02\n[perturbation]\nalpha = 0.1\n"
        )
        found = tuned.of_files(self.folder, ["harmofl", "amplitude"])
        self.assertEqual(found["harmofl"], {"train.lr": "0.02", "perturbation.alpha": "0.1"})
        self.assertEqual(found["amplitude"], {"train.lr": "0.02"}, "its alpha of 0 is what it is")


class Dealing(unittest.TestCase):
    IDS = {
        (group, split): [f"{group}-{split}-{k}" for k in range(count)]
        for group, counts in (("a", (13, 5, 6)), ("b", (7, 3, 4)))
        for split, count in zip(("train", "val", "test"), counts)
    }

    def test_every_image_once_and_sites_alike(self):
        for sites in (4, 8):
            found = deal(self.IDS, sites)
            self.assertEqual(sorted(found), sorted(name for names in self.IDS.values() for name in names))
            for split in ("train", "val", "test"):
                counts = Counter(site for site, of in found.values() if of == split)
                every = [counts[f"site_{k}"] for k in range(sites)]
                self.assertLessEqual(max(every) - min(every), 1, split)

    def test_the_mix_is_the_same(self):
        found = deal(self.IDS, 4)
        counts = Counter(found[name][0] for name in self.IDS["a", "train"])
        self.assertEqual(sorted(counts.values()), [3, 3, 3, 4])

    def test_splits_stay(self):
        for name, (_, split) in deal(self.IDS, 4).items():
            self.assertEqual(name.split("-")[1], split)

    def test_order_of_the_names_does_not_matter(self):
        turned = {key: names[::-1] for key, names in reversed(self.IDS.items())}
        self.assertEqual(deal(turned, 4), deal(self.IDS, 4))

    def test_not_in_the_order_of_names(self):
        found = deal(self.IDS, 4)
        sites = [found[name][0] for name in sorted(self.IDS["a", "train"])]
        self.assertNotEqual(sites, [f"site_{k % 4}" for k in range(13)])

    def test_two_images_of_one_name(self):
        with self.assertRaisesRegex(StudyError, "two images have this name"):
            deal({("a", "train"): ["x"], ("b", "train"): ["x"]}, 2)


class Numbers(unittest.TestCase):
    def test_time_left(self):
        clock = Clock()
        cases = plan(NEW_SITES, [0])[:3]  # fedavg, harmofl, amplitude
        self.assertIsNone(clock.left(cases, 1))
        clock.add("fedavg", 10)
        clock.add("harmofl", 20)
        clock.add("harmofl", 24)
        self.assertAlmostEqual(clock.left(cases, 2), (10 + 22 + 18) / 2)

    def test_radii(self):
        self.assertEqual(radii(20.0), "0.05,0.1,0.4")
        self.assertEqual(radii(1.0), "0.005,0.02,0.05")


if __name__ == "__main__":
    unittest.main()
