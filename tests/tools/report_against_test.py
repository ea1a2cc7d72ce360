#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/report.py --against, and tools/study.py collect, on runs whose scores are known."""

import json
import math
import pathlib
import subprocess
import sys
import tempfile
import unittest

import report_support as support

sys.path.insert(0, str(support.TOOLS))

try:
    import numpy
    import pandas

    from harmofl_runs import RunError, find_runs, open_run
    from report import against, against_page, measured, relations
    from report.plots import relations as drawn
    from study import collect
except ImportError as missing:  # set up without tools/install-deps.sh
    print(f"skipped: {missing} (tools/install-deps.sh installs it)")
    sys.exit(77)

STRENGTHS = (0.0, 0.5, 1.0)
METHODS = {"fedavg": 0.0, "harmofl": 0.02, "amplitude": 0.01}
SITES = ("site_0", "site_1", "site_3")


def score(method, strength, seed, site):
    """What a run reaches: a method's gain grows with the strength, twice as fast at the site held out."""
    away = 2 if site == "site_3" else 1
    return 0.9 - 0.1 * away * strength + METHODS[method] * away * strength + 0.001 * seed


def spectra(strength):
    """Amplitudes of the three sites: those that train are e^(-+.1 s) of 1, the other e^s."""
    factors = {
        "site_0": math.exp(-0.1 * strength),
        "site_1": math.exp(0.1 * strength),
        "site_3": math.exp(strength),
    }
    rows = [{"radius": r, **{f"before_{site}": f / (r + 1) for site, f in factors.items()}} for r in range(4)]
    return {"sites": list(SITES), "rows": rows}


def flatness(method, seed):
    """The flatter, the better the method."""
    rise = 0.3 - 5 * METHODS[method] + 0.01 * seed
    rows = [
        {"radius": r, "loss_mean": 0.2 + rise * r / 10, "loss_gradient": 0.2 + rise * r}
        for r in (0, 0.05, 0.1, 0.4)
    ]
    return {"weight_norm": 20.0, "rows": rows}


def write_study(folder, seeds=(0, 1, 2, 3), cases=True, strengths=STRENGTHS):
    for strength in strengths:
        for method in METHODS:
            for seed in seeds:
                run = folder / "new-sites" / f"strength{strength:g}" / f"{method}-seed{seed}"
                scores = {site: score(method, strength, seed, site) for site in SITES}
                samples = [
                    (site, f"{site}-{k}", scores[site] + d)
                    for site in SITES
                    for k, d in enumerate((-0.05, 0.05))
                ]
                support.write_run(
                    run,
                    "harmofl" if method == "amplitude" else method,
                    seed,
                    {site: scores[site] for site in SITES[:2]},
                    held_out={"site_3": scores["site_3"]},
                    samples=samples if cases else None,
                    data__shards=f"data/strength{strength:g}",
                    data__hold_out="site_3",
                )
                facts = {"experiment": "new-sites", "setting": f"strength{strength:g}", "method": method}
                facts |= {"seed": seed, "strength": strength, "held_out": "site_3"}
                (run / "study.json").write_text(json.dumps(facts))
                (run / "spectra.json").write_text(json.dumps(spectra(strength)))
                (run / "flatness.json").write_text(json.dumps(flatness(method, seed)))
    return folder


class StudyTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="harmofl-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)


class Against(StudyTest):
    def arrange(self, **options):
        return against.arrange(find_runs(write_study(self.folder / "out", **options)), "strength")

    def test_runs_go_to_their_value_and_method(self):
        found = self.arrange()
        self.assertEqual(list(found.points), list(STRENGTHS))
        self.assertEqual((found.baseline, found.labels[0]), ("fedavg", "fedavg"))
        for study in found.points.values():
            self.assertEqual({group.label for group in study.groups}, set(METHODS))
            self.assertEqual({len(group.runs) for group in study.groups}, {4})

    def test_scores_are_means_of_the_part(self):
        frame = against.scores(self.arrange())
        self.assertEqual(len(frame), 3 * 3 * 4 * 2)
        for row in frame.itertuples():
            sites = SITES[2:] if row.site_held_out else SITES[:2]
            wanted = numpy.mean([score(row.method, row.strength, row.seed, site) for site in sites])
            self.assertAlmostEqual(row.dice, wanted, places=12)

    def test_differences_at_each_value(self):
        found = self.arrange()
        for held_out, away in ((False, 1), (True, 2)):
            each = against.at_each(found, held_out)
            self.assertEqual(list(each), list(STRENGTHS))
            for strength, evidence in each.items():
                for method in ("harmofl", "amplitude"):
                    wanted = METHODS[method] * away * strength
                    self.assertAlmostEqual(evidence.comparisons[method].mean, wanted, places=12)

    def test_differences_over_all_values(self):
        for cases in (True, False):
            with self.subTest(cases=cases):
                runs = find_runs(write_study(self.folder / f"cases-{cases}", cases=cases))
                found = against.over_all(against.arrange(runs, "strength"), held_out=True)
                for method in ("harmofl", "amplitude"):
                    self.assertAlmostEqual(found[method].mean, METHODS[method] * 2 * 0.5, places=12)
                    self.assertEqual(found[method].seeds, 4)
                    self.assertEqual(found[method].p_seeds, 2 / 2**4)
                    self.assertEqual(math.isnan(found[method].p_cases), not cases)

    def test_only_seeds_with_every_value_count(self):
        folder = write_study(self.folder / "out")
        (folder / "new-sites/strength0.5/harmofl-seed1/summary.json").unlink()
        found = against.arrange(find_runs(folder), "strength")
        self.assertEqual([run.folder.name for run in found.unfinished], ["harmofl-seed1"])
        over = against.over_all(found, held_out=False)
        self.assertEqual((over["harmofl"].seeds, over["amplitude"].seeds), (3, 4))

    def test_a_case_that_is_undefined_once_does_not_count(self):
        """The second case of the site held out, whose score is 1 better, is undefined at one strength."""
        folder = write_study(self.folder / "out")
        for path in folder.glob("new-sites/*/harmofl-*/per_sample.csv"):
            undefined = path.parents[1].name == "strength0.5" and path.parent.name == "harmofl-seed2"
            frame = pandas.read_csv(path)
            row = frame["id"] == "site_3-1"
            frame.loc[row, "dice"] = math.nan if undefined else frame.loc[row, "dice"] + 1
            frame.to_csv(path, index=False)
        found = against.over_all(against.arrange(find_runs(folder), "strength"), held_out=True)
        self.assertAlmostEqual(found["harmofl"].mean, METHODS["harmofl"] * 2 * 0.5, places=12)

    def test_a_method_that_lacks_a_value_is_not_compared_over_all(self):
        folder = write_study(self.folder / "out")
        for path in folder.glob("new-sites/strength1/amplitude-*/summary.json"):
            path.unlink()
        self.assertEqual(
            set(against.over_all(against.arrange(find_runs(folder), "strength"), True)), {"harmofl"}
        )

    def test_errors(self):
        folder = write_study(self.folder / "out", seeds=(0,))
        runs = find_runs(folder)
        with self.assertRaisesRegex(RunError, r"has no 'speed'.*strength"):
            against.arrange(runs, "speed")
        with self.assertRaisesRegex(
            RunError, "has no 'seed'. It has: experiment, setting, strength, held_out"
        ):
            against.arrange(runs, "seed")
        with self.assertRaisesRegex(RunError, "no method is called 'moon'"):
            against.arrange(runs, "strength", baseline="moon")
        with self.assertRaisesRegex(RunError, "no measure 'auc'"):
            against.scores(against.arrange(runs, "strength", measure="auc"))
        twice = folder / "other/strength1/fedavg-seed0"
        twice.parent.mkdir(parents=True)
        (folder / "new-sites/strength1/fedavg-seed0").rename(self.folder / "x")
        write_study(folder / "again", seeds=(0,), strengths=(0.0,))
        with self.assertRaisesRegex(RunError, "has the method, seed and setting of"):
            against.arrange(find_runs(folder), "strength")


GAINS = {"site_0": 0.01, "site_1": 0.04}


class AgainstNames(StudyTest):
    """Each of two sites held out in turn: a fact that is a name."""

    def setUp(self):
        super().setUp()
        for held_out, gain in GAINS.items():
            for method in ("fedavg", "harmofl"):
                for seed in range(4):
                    run = self.folder / "out" / held_out / f"{method}-seed{seed}"
                    value = 0.8 + 0.001 * seed + (gain if method == "harmofl" else 0)
                    other = next(site for site in GAINS if site != held_out)
                    support.write_run(
                        run,
                        method,
                        seed,
                        {other: 0.9},
                        held_out={held_out: value},
                        samples=[(other, "a", 0.9), (held_out, "b", value)],
                        data__hold_out=held_out,
                    )
                    facts = {"method": method, "held_out": held_out, "seed": seed, "strength": 1.0}
                    (run / "study.json").write_text(json.dumps(facts))

    def test_every_site_held_out_counts_once(self):
        found = against.arrange(find_runs(self.folder / "out"), "held_out")
        self.assertEqual(list(found.points), list(GAINS))
        for site, gain in GAINS.items():
            self.assertAlmostEqual(against.at_each(found, True)[site].comparisons["harmofl"].mean, gain)
        # Each site's case is there at one value only: their mean, not their sum or nothing.
        over = against.over_all(found, True)["harmofl"]
        self.assertAlmostEqual(over.mean, sum(GAINS.values()) / 2)
        self.assertEqual(over.seeds, 4)
        self.assertAlmostEqual(against.over_all(found, False)["harmofl"].mean, 0)

    def test_page(self):
        words = [sys.executable, support.TOOLS / "report.py", self.folder / "out", "--against", "held_out"]
        words += ["--output", self.folder / "page.html", "--figures", self.folder / "figures"]
        found = subprocess.run(words, capture_output=True, text=True, check=False)
        self.assertEqual((found.returncode, found.stderr), (0, ""))
        self.assertIn("held_out site_1", found.stdout)
        picture = (self.folder / "figures/against.svg").read_text()
        for site in GAINS:
            self.assertIn(site, picture)

    def test_a_number_beside_names_is_an_error(self):
        path = self.folder / "out/site_1/harmofl-seed3/study.json"
        path.write_text(json.dumps({"method": "harmofl", "held_out": 3, "seed": 3}))
        with self.assertRaisesRegex(RunError, "held_out is 3.0"):
            against.arrange(find_runs(self.folder / "out"), "held_out")


class Measured(StudyTest):
    def run_at(self, strength):
        folder = write_study(self.folder / f"s{strength}", seeds=(0,), strengths=(strength,))
        return open_run(folder / f"new-sites/strength{strength:g}/harmofl-seed0")

    def test_shift(self):
        """ln factors are -.1 s, .1 s and s: the distance of the first two is .2 s, of the third from their
        mean s."""
        for strength in STRENGTHS:
            found = measured.shift(self.run_at(strength), "site_3")
            self.assertAlmostEqual(found["shift"], 0.2 * strength)
            self.assertAlmostEqual(found["shift_held_out"], strength)

    def test_shift_of_all_where_none_is_held_out(self):
        found = measured.shift(self.run_at(1.0))
        logs = [-0.1, 0.1, 1.0]
        wanted = numpy.mean([abs(one - (sum(logs) - one) / 2) for one in logs])
        self.assertAlmostEqual(found["shift"], wanted)
        self.assertTrue(math.isnan(found["shift_held_out"]))

    def test_log_distance(self):
        a, b, c = numpy.array([1.0, 4.0]), numpy.array([1.0, 1.0]), numpy.array([4.0, 1.0])
        wanted = math.sqrt((math.log(1 / 2) ** 2 + math.log(4 / 1) ** 2) / 2)
        self.assertAlmostEqual(measured.log_distance(a, numpy.stack([b, c])), wanted)

    def test_sharpness(self):
        found = measured.sharpness(self.run_at(1.0))
        rise = 0.3 - 5 * METHODS["harmofl"]
        self.assertEqual(
            set(found),
            {f"rise_{kind}_{at}" for kind in ("gradient", "random") for at in ("0.05", "0.005w", "0.02w")},
        )
        self.assertAlmostEqual(found["rise_gradient_0.05"], rise * 0.05)
        self.assertAlmostEqual(found["rise_gradient_0.02w"], rise * 0.4)
        self.assertAlmostEqual(found["rise_random_0.005w"], rise * 0.01)

    def test_drift_is_of_the_last_rounds(self):
        run = self.run_at(0.0)
        lines = [
            {"round": r, "site": site, "split": "train", "loss": 1.0, "drift": float(r + k)}
            for r in range(20)
            for k, site in enumerate(SITES[:2])
        ]
        (run.folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.assertAlmostEqual(measured.drift(run), 14.5 + 0.5)


class Ratios(unittest.TestCase):
    def frame(self, rows):
        return pandas.DataFrame(rows, columns=["strength", "method", "seed", "log x"])

    def test_pairs_of_a_setting_and_seed(self):
        """Seeds 0 and 1 have a fourth and a sixteenth of the baseline's, whatever the strength adds."""
        rows = []
        for strength in (0.0, 1.0):
            for seed, factor in enumerate((1 / 4, 1 / 16)):
                rows.append((strength, "a", seed, math.log10(factor) + 3 * strength))
                rows.append((strength, "base", seed, 3 * strength))
        rows.append((1.0, "a", 2, 5.0))  # without a partner
        found = relations.ratio(self.frame(rows), "log x", "strength", ("a", "base"))
        self.assertAlmostEqual(found.factor, 1 / 8)
        self.assertEqual(found.seeds, 2)
        # log10 of the seeds: -.602 and -1.204; t(.975, 1) = 12.7062 times their difference / 2.
        half = 12.7062 * math.log10(4) / 2
        self.assertAlmostEqual(math.log10(found.interval[0]), math.log10(1 / 8) - half, places=4)
        self.assertAlmostEqual(math.log10(found.interval[1]), math.log10(1 / 8) + half, places=4)

    def test_what_is_not_there(self):
        rows = [(0.0, "a", 0, 1.0), (0.0, "base", 1, 1.0)]
        self.assertIsNone(relations.ratio(self.frame(rows), "log x", "strength", ("a", "base")))
        self.assertIsNone(relations.ratio(self.frame(rows), "log x", "strength", ("b", "base")))
        one = relations.ratio(self.frame([*rows, (0.0, "base", 0, 1.0)]), "log x", "strength", ("a", "base"))
        self.assertEqual((one.factor, one.seeds), (1.0, 1))
        self.assertTrue(math.isnan(one.interval[0]))


class Relations(unittest.TestCase):
    def frame(self, rows):
        return pandas.DataFrame(rows, columns=["strength", "seed", "x", "y"])

    def test_what_settings_explain_does_not_count(self):
        """x and y fall together within each setting, and rise together between settings."""
        rows = [(s, 0, 10 * s + k, 10 * s - k) for s in range(4) for k in range(3)]
        frame = self.frame(rows)
        self.assertGreater(frame["x"].corr(frame["y"]), 0.9)
        found = relations.relate(frame, "x", "y", ["strength", "seed"])
        self.assertAlmostEqual(found.rho, -1)
        self.assertEqual((found.runs, found.settings), (12, 4))
        self.assertTrue(math.isnan(found.interval[0]), "one seed")

    def test_interval_holds_what_is_there(self):
        generator = numpy.random.default_rng(1)
        rows = []
        for seed in range(12):
            for _ in range(8):
                x = generator.normal()
                rows.append((0, seed, x, 0.6 * x + 0.8 * generator.normal()))
        found = relations.relate(self.frame(rows), "x", "y", ["strength", "seed"])
        low, high = found.interval
        self.assertLess(low, found.rho)
        self.assertLess(found.rho, high)
        self.assertTrue(low < 0.58 < high, found)  # Spearman's of a correlation of .6 is 6/pi asin(.3)

    def test_rows_that_cannot_count(self):
        rows = [(0, 0, 1.0, 1.0), (0, 0, math.nan, 2.0), (0, 1, 1.0, 1.0), (0, 2, 3.0, 3.0)]
        self.assertIsNone(relations.relate(self.frame(rows), "x", "y", ["strength", "seed"]))


class Page(StudyTest):
    def report(self, *options):
        words = [
            sys.executable,
            support.TOOLS / "report.py",
            self.folder / "out",
            "--against",
            "strength",
            *options,
        ]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    def test_page_and_figures(self):
        write_study(self.folder / "out")
        found = self.report("--output", self.folder / "page.html", "--figures", self.folder / "figures")
        self.assertEqual((found.returncode, found.stderr), (0, ""))
        names = {path.name for path in (self.folder / "figures").iterdir()}
        stems = ("against", "against-differences", "against-shift", "against-flatness")
        self.assertEqual(names, {f"{stem}.{kind}" for stem in stems for kind in ("svg", "csv")})
        page = (self.folder / "page.html").read_text()
        for text in ("Test dice, sites that were held out", "strength 0.5", "Spearman"):
            self.assertIn(text, page)
        self.assertEqual(page.count("<img "), page.count(' alt="'))
        self.assertNotIn("not available", page)
        self.assertIn("<strong>0.742 ± 0.001</strong>", page)
        # Seeds 0 to 3: harmofl's loss rises by (.2 + .01 s) where fedavg's does by (.3 + .01 s).
        factor = numpy.prod([(0.2 + 0.01 * s) / (0.3 + 0.01 * s) for s in range(4)]) ** (1 / 4)
        self.assertIn(f"<td>{factor:.2f} (", page)
        self.assertNotIn("<strong>0.722 ± 0.001</strong>", page, "amplitude's is not the best")
        frame = pandas.read_csv(self.folder / "figures/against-shift.csv")
        self.assertAlmostEqual(frame.loc[frame["strength"] == 1, "value"].max(), 1.0)
        # The printed table: mean and deviation over seeds 0 to 3 of .9 - .2 + .04 + .001 seed.
        self.assertIn("0.742 ± 0.001", found.stdout)

    def test_the_best_of_a_distance_is_the_smallest(self):
        for method, value in {"fedavg": 3.0, "harmofl": 2.0, "moon": 4.0}.items():
            run = self.folder / "out" / f"{method}-seed0"
            support.write_run(run, method, 0, {"site_0": value}, measure="hd95")
            (run / "study.json").write_text(json.dumps({"method": method, "seed": 0, "strength": 1.0}))
        found = against.arrange(find_runs(self.folder / "out"), "strength", measure="hd95")
        self.assertEqual(against_page.best_cells(found, held_out=False), {("harmofl", "strength 1")})

    def test_the_same_bytes(self):
        write_study(self.folder / "out", seeds=(0, 1), strengths=(1.0,))
        for name in ("a", "b"):
            self.report("--output", self.folder / name)
        self.assertEqual((self.folder / "a").read_bytes(), (self.folder / "b").read_bytes())

    def test_flatter_is_better_here(self):
        found = against.arrange(find_runs(write_study(self.folder / "out")), "strength")
        frame = drawn.frame_of(found)
        rows = {(part, column): one for part, column, one in drawn.related(found, frame)}
        one = rows["sites that were held out", "log rise_gradient_0.05"]
        # At strength 0 all methods are alike, which weakens the ranks' correlation.
        self.assertLess(one.rho, -0.7)

    def test_without_analyses_it_says_what_would_give_them(self):
        write_study(self.folder / "out", seeds=(0,), strengths=(1.0,))
        for path in (self.folder / "out").rglob("*.json"):
            if path.name in ("spectra.json", "flatness.json"):
                path.unlink()
        found = self.report("--output", self.folder / "page.html")
        self.assertEqual(found.returncode, 0, found.stderr)
        page = (self.folder / "page.html").read_text()
        self.assertIn("Measured shift: not available", page)
        self.assertIn("Flatness against score: not available", page)

    def test_error_is_one_line(self):
        write_study(self.folder / "out", seeds=(0,))
        (self.folder / "out/new-sites/strength0/fedavg-seed0/study.json").unlink()
        found = self.report()
        self.assertEqual((found.returncode, len(found.stderr.splitlines())), (1, 1), found.stderr)


class Collected(StudyTest):
    def test_every_number_has_its_file(self):
        write_study(self.folder / "out", seeds=(0, 1))
        written = dict(collect.write(self.folder / "out"))
        scores = pandas.read_csv(self.folder / "out/collected/new-sites-scores.csv")
        runs = pandas.read_csv(self.folder / "out/collected/new-sites-runs.csv")
        self.assertEqual(sorted(written.values()), sorted([len(scores), len(runs)]))
        dice = scores[(scores["measure"] == "dice") & (scores["split"] == "test")]
        self.assertEqual(len(dice), 3 * 3 * 2 * 3)
        for row in dice.itertuples():
            self.assertAlmostEqual(row.value, score(row.method, row.strength, row.seed, row.site))
            self.assertEqual(row.site_held_out, row.site == "site_3")
            summary = json.loads(pathlib.Path(row.source).read_text())
            where = summary["held_out"] if row.site_held_out else summary
            self.assertEqual(where["test"]["sites"][row.site]["dice"], row.value)
        shift = runs[(runs["quantity"] == "shift_held_out")]
        for row in shift.itertuples():
            self.assertAlmostEqual(row.value, row.strength)
            self.assertTrue(row.source.endswith("spectra.json"))

    def test_hours_are_those_of_all_steps(self):
        folder = (
            write_study(self.folder / "out", seeds=(0,), strengths=(1.0,))
            / "new-sites/strength1/harmofl-seed0"
        )
        lines = [{"step": "train", "cpu_seconds": 2.5}, {"step": "train", "cpu_seconds": 3.0}]
        (folder / "study-times.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        collect.write(self.folder / "out")
        runs = pandas.read_csv(self.folder / "out/collected/new-sites-runs.csv")
        found = runs[runs["quantity"] == "cpu_seconds"]
        self.assertEqual(found[["method", "value"]].values.tolist(), [["harmofl", 5.5]])

    def test_runs_that_have_not_ended_are_left_out(self):
        write_study(self.folder / "out", seeds=(0,))
        (self.folder / "out/new-sites/strength0/fedavg-seed0/summary.json").unlink()
        collect.write(self.folder / "out")
        scores = pandas.read_csv(self.folder / "out/collected/new-sites-scores.csv")
        self.assertFalse(((scores["method"] == "fedavg") & (scores["strength"] == 0)).any())


if __name__ == "__main__":
    unittest.main()
