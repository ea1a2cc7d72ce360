#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/report.py on run folders whose scores are known."""

import base64
import html.parser
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree
from unittest import mock

import report_support as support

sys.path.insert(0, str(support.TOOLS))

try:
    import pandas

    from harmofl_runs import RunError, find_runs
    from report import evidence, page, scaling, style, tables
    from report.plots import Missing, curves, energy, overlays, sites, times
    from report.study import make_study
    from scaling import analysis
    from scaling import tables as scaling_tables
    from scaling.records import PHASES
    from scaling.study import Study as ScalingRun
except ImportError as missing:  # set up without tools/install-deps.sh
    print(f"skipped: {missing} (tools/install-deps.sh installs it)")
    sys.exit(77)


class Elements(html.parser.HTMLParser):
    """What a page is made of: tags with their attributes, cells of tables, all text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.rows, self.tables, self.text, self.bold = [], [], [], "", set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.rows.append([])
            self.tables[-1].append(self.rows[-1])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        self.text += data
        tag = self.tags[-1][0] if self.tags else ""
        if tag in ("td", "th", "strong") and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data
        if tag == "strong":
            self.bold.add((self.rows[-1][0], data))

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


class ReportTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, name, *arguments, **options):
        return support.write_run(self.folder / "runs" / name, *arguments, **options)

    def study(self, **options):
        return make_study(find_runs(self.folder / "runs"), **options)

    def page(self, **options):
        page.write(self.study(**options), "A title", self.folder / "page.html", self.folder / "figures")
        return Elements((self.folder / "page.html").read_text())

    def report(self, *arguments):
        command = [sys.executable, support.TOOLS / "report.py", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def raises(self, call, *texts):
        with self.assertRaises(RunError) as caught:
            call()
        for text in texts:
            self.assertIn(text, str(caught.exception))


class Groups(ReportTest):
    def labels(self):
        return {group.label: sorted(group.runs) for group in self.study().groups}

    def test_seeds_of_one_configuration_are_one_group(self):
        for seed in (0, 1, 2):
            self.write(f"a{seed}", seed=seed, device__threads=seed, run__output=f"a{seed}")
        self.assertEqual(self.labels(), {"fedavg": [0, 1, 2]})

    def test_a_method_that_nobody_knows_is_there(self):
        self.write("a")
        self.write("b", "a-method-of-my-own")
        self.assertEqual(set(self.labels()), {"fedavg", "a-method-of-my-own"})

    def test_variants_of_a_method_are_named_by_what_differs_between_them(self):
        self.write("a", "harmofl", perturbation__alpha=0)
        self.write("b", "harmofl", perturbation__alpha=0.05)
        self.write("c", "fedavg", perturbation__alpha=0)
        expected = {"fedavg", "harmofl (perturbation.alpha=0)", "harmofl (perturbation.alpha=0.05)"}
        self.assertEqual(set(self.labels()), expected)

    def test_a_seed_twice_with_other_scores_is_an_error(self):
        self.write("a")
        self.write("b", scores={"north": 0.1, "south": 0.2})
        self.raises(self.study, "runs/b", "seed 0", "runs/a", "Give one of the two")

    def test_a_seed_twice_with_the_same_scores_counts_once_and_tells_of_scaling(self):
        self.write("a", ranks=1)
        self.write("b", ranks=2)
        study = self.study()
        self.assertEqual([len(group.runs) for group in study.groups], [1])
        plot = times.scaling(study)
        self.assertEqual(dict(zip(plot.frame["ranks"], plot.frame["seconds_a_round"])), {1: 2.0, 2: 1.0})

    def test_two_tasks_are_an_error(self):
        self.write("a")
        self.write("b", measure="accuracy")
        self.raises(self.study, "accuracy", "dice", "report of each kind")

    def test_a_run_that_has_not_ended_is_named(self):
        self.write("a")
        self.write("b", seed=1, finished=False)
        self.assertIn("runs/b has not ended", self.page().text)

    def test_wishes_that_cannot_be_met(self):
        self.write("a")
        self.raises(lambda: self.study(baseline="moon"), "'moon'", "There are: fedavg")
        self.raises(lambda: self.study(measure="auc"), "'auc'", "It has: dice, loss")


class Tables(ReportTest):
    def three(self):
        for seed, shift in ((0, 0.0), (1, 0.2)):
            self.write(f"a{seed}", seed=seed, scores={"north": 0.25 + shift, "south": 0.5})
            self.write(f"b{seed}", "moon", seed, scores={"north": 0.3 + shift, "south": 0.4})
        self.write("c0", "fedbn", scores={"north": 0.1, "south": 0.5}, held_out={"west": 0.9})

    def test_means_and_deviations_over_seeds(self):
        self.three()
        rows = {row[0]: row for row in self.page().tables[0]}
        head = rows["group"][:5]
        self.assertEqual(head, ["group", "seeds", "north", "south", "mean of sites"])
        # .25 and .45: mean .35, deviation .2 / sqrt(2).
        self.assertEqual(rows["fedavg"][1:4], ["2", "0.350 ± 0.141", "0.500 ± 0.000"])

    def test_the_best_of_each_column_is_bold_ties_as_well(self):
        self.three()
        bold = self.page().bold
        self.assertIn(("moon", "0.400 ± 0.141"), bold)
        self.assertIn(("fedavg", "0.500 ± 0.000"), bold)
        self.assertIn(("fedbn", "0.500"), bold)
        self.assertNotIn(("fedavg", "0.350 ± 0.141"), bold)

    def test_of_a_loss_the_lowest_is_best(self):
        self.three()
        study = self.study(measure="loss")
        columns = {group.label: tables.columns_of(study, group) for group in study.groups}
        self.assertEqual(tables.best_of(columns, "north", True), {"moon"})
        self.assertEqual(tables.best_of(columns, "north", False), {"fedbn"})

    def test_one_value_has_no_spread(self):
        self.assertEqual(tables.spread([0.25]), "0.250")
        self.assertEqual(tables.spread([0.25, 0.75]), "0.500 ± 0.354")
        self.assertEqual(tables.spread([float("nan")]), "-")

    def test_one_site_has_no_deviation_over_sites(self):
        self.write("a", scores={"north": 0.5})
        study = self.study()
        self.assertEqual(list(tables.columns_of(study, study.groups[0])), ["north", "mean of sites"])

    def test_held_out_sites_have_columns_of_their_own(self):
        self.three()
        study = self.study()
        of = {group.label: tables.columns_of(study, group) for group in study.groups}["fedbn"]
        self.assertEqual(of["west (held out)"], [0.9])
        self.assertEqual(of["mean of sites"], [0.3])

    def test_text_is_not_markup(self):
        self.write("a", scores={"<b>&": 0.5})
        self.assertIn("<b>&", [cell for row in self.page().rows for cell in row])

    def test_keys_that_differ_and_no_others(self):
        self.three()
        self.write("d0", "moon", scores={"north": 0.3, "south": 0.4}, train__lr=0.5)
        heads = [row for row in self.page().rows if row[0] == "group" and "algorithm.name" in row]
        self.assertEqual(heads, [["group", "algorithm.name", "train.lr"]])

    def test_a_classifier(self):
        self.write("a", measure="accuracy")
        self.assertIn("Test accuracy", self.page().text)


class Evidence(ReportTest):
    def gather(self, **options):
        study = self.study()
        return evidence.gather(study.groups, study.baseline, study.measure, study.shards, **options)

    def pairs(self, seeds, gain, samples=True, order=1):
        """Two methods that differ by `gain` for every seed and case; `order` -1: one lists its cases from the
        last to the first."""
        for seed in range(seeds):
            base = [0.4 + 0.01 * seed + 0.02 * k for k in range(8)]
            more = [value + gain for value in base]
            for name, method, values in (("a", "fedavg", base), ("b", "moon", more)):
                self.write(
                    f"{name}{seed}",
                    method,
                    seed,
                    {"north": sum(values[:4]) / 4, "south": sum(values[4:]) / 4},
                    samples=support.cases(*values)[:: order if name == "b" else 1] if samples else None,
                )

    def test_a_difference_that_all_seeds_and_cases_have(self):
        self.pairs(6, 0.125)
        found = self.gather()
        one = found.comparisons["moon"]
        self.assertTrue(found.single_cases)
        self.assertEqual(found.cases, 8)
        self.assertAlmostEqual(one.mean, 0.125)
        self.assertAlmostEqual(one.p_seeds, 2 / 64)
        self.assertAlmostEqual(one.p_cases, 2 / 256)
        self.assertTrue(one.holds)
        row = self.page().tables[1][1]
        self.assertEqual((row[:3], row[-1]), (["moon", "6", "+0.1250"], "better"))

    def test_seeds_and_cases_are_those_of_one_another(self):
        """Seeds and cases differ among themselves by far more than the methods do: only right pairs have the
        same difference all, and an interval of no width."""
        for order in (1, -1):
            with self.subTest(order):
                self.setUp()
                self.pairs(4, 0.0625, order=order)
                low, high = self.gather().comparisons["moon"].interval
                self.assertAlmostEqual(low, 0.0625)
                self.assertAlmostEqual(high, 0.0625)

    def test_differences_of_each_site(self):
        for seed in range(2):
            for name, method, north, south in (("a", "fedavg", 0.25, 0.5), ("b", "moon", 0.5, 0.375)):
                values = [north + 0.1 * seed] * 4 + [south + 0.1 * seed] * 4
                scores = {"north": values[0], "south": values[4]}
                self.write(f"{name}{seed}", method, seed, scores, samples=support.cases(*values))
        found = self.gather().by_site["moon"]
        self.assertAlmostEqual(found["north"][0], 0.25)
        self.assertAlmostEqual(found["south"][0], -0.125)
        self.assertAlmostEqual(found["south"][1][1], -0.125)
        cells = [row for row in self.page().tables[2] if row[0] == "moon"]
        self.assertEqual(cells[0][1], "+0.250 (+0.250 to +0.250)")

    def test_worse_is_said_too(self):
        self.pairs(6, -0.125)
        self.assertIn("worse", [row[-1] for row in self.page().rows if row[0] == "moon"])

    def test_three_seeds_are_too_few_and_the_page_says_how_many(self):
        self.pairs(3, 0.125)
        self.assertIn("not shown; needs 6 seeds, 3 more", self.page().text)

    def test_without_single_cases_sites_are_compared(self):
        self.pairs(6, 0.125, samples=False)
        found = self.gather()
        self.assertEqual((found.single_cases, found.cases), (False, 2))
        self.assertIn("run.per_sample = true", self.page().text)

    def test_seeds_of_one_method_only_are_left_out_and_named(self):
        self.pairs(2, 0.125)
        self.write("b7", "moon", 7, samples=support.cases(*[0.5] * 8))
        found = self.gather()
        self.assertEqual(found.comparisons["moon"].seeds, 2)
        self.assertEqual(found.left_out, ["moon: seeds 7, which only one of both has"])

    def test_other_samples_are_an_error(self):
        self.pairs(1, 0.125)
        self.write("c0", "fedbn", samples=support.cases(*[0.5] * 6))
        self.raises(self.gather, "fedbn", "fedavg", "case", "same shards")

    def test_held_out_sites_are_compared_apart(self):
        for seed in range(2):
            self.write(f"a{seed}", seed=seed, held_out={"west": 0.5})
            self.write(f"b{seed}", "moon", seed, held_out={"west": 0.75})
        self.assertAlmostEqual(self.gather(held_out=True).comparisons["moon"].mean, 0.25)
        self.assertAlmostEqual(self.gather().comparisons["moon"].mean, 0)

    def test_one_group_has_nothing_to_compare(self):
        self.write("a")
        self.assertIsNone(self.gather())
        self.assertIn("nothing to compare", self.page().text)


class Plots(ReportTest):
    def figures(self):
        """The figures of a study, kept from being closed."""
        kept = []
        with mock.patch.object(style, "content", lambda figure, kind="svg": kept.append(figure) or b""):
            for module in (curves, sites, times):
                module.plots(self.study())
        self.addCleanup(style.pyplot.close, "all")
        return kept

    def two(self, rounds=3):
        for name, method in (("a", "fedavg"), ("b", "moon")):
            for seed in (0, 1):
                self.write(f"{name}{seed}", method, seed, rounds=rounds)

    def test_every_panel_has_a_legend_of_all_groups(self):
        self.two()
        panels = [axes for figure in self.figures() for axes in figure.axes]
        self.assertEqual(len(panels), 5)
        for axes in panels:
            self.assertIsNotNone(axes.get_legend(), axes.get_title())

    def test_rounds_are_whole(self):
        for rounds in (1, 2, 7):
            with self.subTest(rounds):
                self.setUp()
                self.two(rounds)
                for axes in self.figures()[0].axes:
                    self.assertEqual(axes.get_xlabel(), "rounds done")
                    ticks = [tick for tick in axes.get_xticks() if 0.5 <= tick <= rounds + 0.5]
                    self.assertTrue(ticks)
                    self.assertTrue(all(float(tick).is_integer() for tick in ticks), ticks)

    def test_marks_stand_around_their_ticks(self):
        for count in (1, 2, 5):
            self.assertAlmostEqual(sum(sites.offsets(count)), 0)
            self.assertLess(max(sites.offsets(count)), 0.5)

    def test_bars_stand_on_their_ticks(self):
        self.two()
        axes = self.figures()[2].axes[0]
        middles = {round(bar.get_y() + bar.get_height() / 2, 9) for bar in axes.patches}
        self.assertEqual(middles, set(axes.get_yticks()))

    def test_numbers_of_the_curves(self):
        self.two()
        frame = curves.plots(self.study())[0].frame
        rows = frame[(frame["group"] == "moon") & (frame["split"] == "val") & (frame["seed"] == 1)]
        self.assertEqual(list(rows["rounds_done"]), [1, 2, 3])
        for value, wanted in zip(rows["value"], (0.2, 0.4, 0.6)):
            self.assertAlmostEqual(value, wanted)

    def test_groups_look_different_without_colour(self):
        looks = {(str(style.look(i)["marker"]), str(style.look(i)["linestyle"])) for i in range(35)}
        self.assertEqual(len(looks), 35)

    def test_best_and_worst_case_of_a_site(self):
        index = pandas.MultiIndex.from_tuples([("n", "x"), ("n", "y"), ("n", "z")])
        scores = pandas.Series([0.5, 0.9, 0.1], index=index)
        higher = [(which, name) for _, which, name, _ in overlays.extremes(scores, False)]
        self.assertEqual(higher, [("best", "y"), ("worst", "z")])
        lower = [(which, name) for _, which, name, _ in overlays.extremes(scores, True)]
        self.assertEqual(lower, [("best", "z"), ("worst", "y")])


def luminance(colour):
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """The contrast ratio of two colours (WCAG 2.2)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


class Page(ReportTest):
    def setUp(self):
        super().setUp()
        for name, method in (("a", "fedavg"), ("b", "moon")):
            for seed in (0, 1):
                self.write(f"{name}{seed}", method, seed)

    def test_contrast(self):
        self.assertAlmostEqual(contrast("#000000", "#ffffff"), 21)
        self.assertAlmostEqual(contrast("#777777", "#ffffff"), 4.48, places=2)  # as WCAG's examples have it
        for colour in (style.INK, style.LINK, style.QUIET):
            self.assertGreaterEqual(contrast(colour, style.PAPER), 4.5, colour)  # text, level AA
        for colour in style.COLOURS:
            self.assertGreaterEqual(contrast(colour, style.PAPER), 3, colour)  # parts of pictures

    def test_nothing_is_loaded_from_elsewhere(self):
        found = self.page()
        names = [
            attributes[key] for _, attributes in found.tags for key in ("src", "href") if key in attributes
        ]
        self.assertGreater(len(names), 5)
        for name in names:
            self.assertTrue(name.startswith(("data:", "#")), name[:60])
        self.assertFalse(found.of("script"))

    def test_every_picture_says_what_it_shows(self):
        pictures = self.page().of("img")
        self.assertGreater(len(pictures), 2)
        for picture in pictures:
            self.assertGreater(len(picture["alt"]), 20)

    def test_links_within_the_page_lead_somewhere(self):
        found = self.page()
        names = {attributes["id"] for _, attributes in found.tags if "id" in attributes}
        for link in found.of("a"):
            if link["href"].startswith("#"):
                self.assertIn(link["href"][1:], names)

    def test_files_in_the_page_and_in_the_folder_are_the_same(self):
        links = [link for link in self.page().of("a") if "download" in link]
        self.assertGreater(len(links), 4)
        for link in links:
            content = base64.b64decode(link["href"].split(",")[1])
            self.assertEqual((self.folder / "figures" / link["download"]).read_bytes(), content)
            if link["download"].endswith(".svg"):
                xml.etree.ElementTree.fromstring(content)
            elif link["download"].endswith(".csv"):
                self.assertGreater(len(pandas.read_csv(io.BytesIO(content))), 0)

    def test_the_same_runs_give_the_same_bytes(self):
        self.page()
        first = (self.folder / "page.html").read_bytes()
        self.page()
        self.assertEqual((self.folder / "page.html").read_bytes(), first)

    def test_what_is_not_there_is_said_with_a_remedy(self):
        text = self.page().text
        for title, remedy in (
            ("Drift by round", "run.measure = true"),
            ("Flatness", "harmofl analyse flatness"),
            ("Amplitude spectra", "harmofl analyse spectra"),
            ("Best and worst cases", "harmofl predict"),
            ("Joules", "run.energy = true"),
            ("Scaling", "All runs had 1 ranks"),
        ):
            self.assertIn(f"{title}: not available. ", text)
            self.assertIn(remedy, text)

    def test_columns_of_a_row_are_those_of_its_head(self):
        found = self.page().tables
        self.assertEqual(len(found), 6)
        for rows in found:
            self.assertEqual({len(row) for row in rows}, {len(rows[0])})


class Joules(ReportTest):
    """Of runs that used 100, 200 and 300 J in their three rounds; the score is a third, two, all of it."""

    @staticmethod
    def used(index, factor=1.0):
        of_cpu = {"train": [40.0, 30.0], "other": [10.0, 0.0]}
        both = {"cpu": of_cpu, "gpu": {"train": [15.0, 5.0]}}
        return {
            kind: {phase: [(index + 1) * factor * j for j in of_rank] for phase, of_rank in phases.items()}
            for kind, phases in both.items()
        }

    def test_scores_stand_over_the_joules_until_then(self):
        self.write("a", seed=0, scores={"north": 0.6, "south": 0.9}, joules=self.used)
        self.write("b", seed=1, scores={"north": 0.6, "south": 0.9}, joules=lambda i: self.used(i, 2.0))
        found = energy.plots(self.study())
        self.assertEqual([plot.name for plot in found], ["joules", "joules_by_phase"])
        frame = found[0].frame
        for seed, factor in ((0, 1), (1, 2)):
            rows = frame[frame["seed"] == seed]
            self.assertEqual(list(rows["rounds_done"]), [1, 2, 3])
            for joules, wanted in zip(rows["joules"], (100, 300, 600)):
                self.assertAlmostEqual(joules, factor * wanted)
            for value, wanted in zip(rows["value"], (0.25, 0.5, 0.75)):
                self.assertAlmostEqual(value, wanted)
        parts = found[1].frame[found[1].frame["seed"] == 0].set_index(["kind", "phase"])["joules"]
        self.assertAlmostEqual(parts["cpu", "train"], 6 * 70)
        self.assertAlmostEqual(parts["cpu", "other"], 6 * 10)
        self.assertAlmostEqual(parts["gpu", "train"], 6 * 20)

    def test_the_table_has_scores_by_kilojoule(self):
        self.write("a", scores={"north": 0.6, "south": 0.9}, joules=self.used)
        (rows,) = Elements(tables.joules(self.study())).tables
        self.assertEqual(rows[1], ["fedavg", "1", "cpu+gpu", "600", "600", "0.75", "1.25"])

    def test_runs_with_joules_of_some_rounds_are_named_and_left_out(self):
        self.write("a", joules=lambda index: self.used(index) if index else None)
        self.write("b", seed=1, joules=lambda index: {"cpu": {"train": [None]}})
        text = Elements(tables.joules(self.study())).text
        self.assertIn("a has them of 2 of 3 rounds", text)
        self.assertIn("b has them of 0 of 3 rounds", text)
        self.assertIsInstance(energy.plots(self.study())[0], Missing)

    def test_groups_without_joules_are_not_in_the_table(self):
        self.write("a", joules=self.used)
        self.write("b", "moon")
        (rows,) = Elements(tables.joules(self.study())).tables
        self.assertEqual([row[0] for row in rows], ["group", "fedavg"])

    def test_the_reason_of_a_run_is_given(self):
        folder = self.write("a")
        summary = json.loads((folder / "summary.json").read_text())
        summary["joules"] = {"rounds": 0, "cpu": {"not_available": "no zone"}}
        (folder / "summary.json").write_text(json.dumps(summary))
        self.assertEqual(energy.plots(self.study())[0].remedy, "no zone.")


class Program(ReportTest):
    def test_page_and_table(self):
        self.write("a")
        self.write("b", "moon")
        output = self.folder / "new" / "page.html"
        found = self.report(self.folder / "runs", "--output", output, "--title", "My study")
        self.assertEqual(found.returncode, 0, found.stderr)
        self.assertIn("| fedavg", found.stdout)
        self.assertIn("<h1>My study</h1>", output.read_text())

    def test_errors_are_one_line(self):
        found = self.report(self.folder)
        self.assertEqual((found.returncode, found.stderr.count("\n")), (1, 1))
        self.assertIn("holds no config.ini", found.stderr)
        self.write("a")
        found = self.report(self.folder, "--figures", self.folder / "f")
        self.assertEqual(found.returncode, 2)
        self.assertIn("--output", found.stderr)


def counted(ranks, seconds, **changes):
    """What tools/scaling.py says of so many ranks, whose rounds take so many seconds; a tenth around it."""

    def around(value):
        return analysis.Spread(value, 0.9 * value, 1.1 * value)

    return analysis.RankCount(
        **{
            "ranks": ranks,
            "runs": 5,
            "rounds": 35,
            "clients": 8.0,
            "seconds": around(seconds),
            "phases": {name: around(0.1) for name in PHASES},
            "imbalance": around(0.0),
            "speed_up": around(8.0 / seconds),
            "efficiency": around(8.0 / seconds / ranks),
            "bound": float(ranks),
            "longest_first_bound": float(ranks),
            "sent_bytes": 100.0,
            "peak_memory_bytes": 1000.0,
            **changes,
        }
    )


class ScalingAndProjection(ReportTest):
    """A study of 1, 2 and 4 ranks with 8, 4.2 and 2.5 seconds a round, and a projection."""

    def setUp(self):
        super().setUp()
        self.write("a0", "fedavg", 0)
        self.scaled = self.folder / "scaling"
        self.scaled.mkdir()
        counts = [counted(1, 8.0), counted(2, 4.2), counted(4, 2.5)]
        study = ScalingRun("strong", [1, 2, 4], repeat=5, warm_up=2, config="a.ini")
        scaling_tables.write_report(self.scaled, study, {}, counts)

    def project(self, name="cluster", **changes):
        row = dict.fromkeys(scaling.PROJECTED, 1.0) | {"ranks": 64, "clients": 256, "efficiency": 0.875}
        content = {"same": [row], "growing": [row]} | changes
        (self.scaled / f"projection-{name}.json").write_text(json.dumps(content))

    def page(self):
        found = self.report(
            *(self.folder / "runs", "--output", self.folder / "page.html", "--scaling", self.scaled),
            *("--figures", self.folder / "figures"),
        )
        self.assertEqual(found.returncode, 0, found.stderr)
        return Elements((self.folder / "page.html").read_text())

    def test_the_table_has_speed_up_and_efficiency_with_their_ranges(self):
        rows = self.page().rows
        self.assertIn(
            ["2", "5", "4.2000 (3.7800 to 4.6200)", "1.90 (1.71 to 2.10)", "0.95 (0.86 to 1.05)", "2.00"],
            rows,
        )
        self.assertIn(
            ["4", "5", "2.5000 (2.2500 to 2.7500)", "3.20 (2.88 to 3.52)", "0.80 (0.72 to 0.88)", "4.00"],
            rows,
        )
        frame = pandas.read_csv(self.folder / "figures/scaling_study.csv")
        self.assertEqual(list(frame["ranks"]), [1, 2, 4])
        self.assertAlmostEqual(frame["speed_up"][2], 3.2)

    def test_projections_are_there_by_name(self):
        self.assertIn("Projection: not available.", self.page().text)
        self.project()
        found = self.page()
        self.assertEqual(found.rows.count(["64", "256", "1.0000", "1.000000", "1.00", "1.00", "0.875"]), 2)
        self.assertIn("Projected on cluster, a federation that grows with the ranks", found.text)
        self.assertTrue((self.folder / "figures/projection_cluster.svg").exists())

    def test_without_a_study_there_is_no_section(self):
        self.assertNotIn("Scaling and projection", super().page().text)

    def test_what_is_not_of_the_tool_is_an_error(self):
        self.project(same=[{"ranks": 1}])
        self.raises(lambda: scaling.read(self.scaled), "projection-cluster.json: has no numbers by ranks")
        (self.scaled / "report.json").write_text('{"ranks": 3}')
        self.raises(lambda: scaling.read(self.scaled), "report.json: has no numbers by ranks")
        (self.scaled / "report.json").write_text("[1")
        self.raises(lambda: scaling.read(self.scaled), "report.json: is not JSON")
        (self.scaled / "report.json").unlink()
        self.raises(lambda: scaling.read(self.scaled), "there is no such file", "tools/scaling.py report")

    def test_it_needs_a_page(self):
        for arguments in ((), ("--output", self.folder / "p.html", "--against", "strength")):
            found = self.report(self.folder / "runs", "--scaling", self.scaled, *arguments)
            self.assertEqual(found.returncode, 2)
            self.assertIn("--scaling", found.stderr)


if __name__ == "__main__":
    unittest.main()
