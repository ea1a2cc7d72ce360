#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/report.py on what the program leaves: every section has its plot, and its numbers are theirs."""

import functools
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests/end_to_end")]

import support  # noqa: E402

try:
    import pandas

    import harmofl_runs
    from report.plots import overlays
except ImportError as missing:  # set up without tools/install-deps.sh
    print(f"skipped: {missing} (tools/install-deps.sh installs it)")
    sys.exit(support.SKIPPED)


def succeeds(result):
    assert result.code == 0, result


@functools.cache
def segmented():
    """A folder with runs of two methods, and all analyses and masks of one, made once."""
    runs = support.shared_folder() / "runs"
    options = ("--run.rounds", 2, "--run.per_sample", "true", "--run.measure", "true")
    for method, seed in (("fedavg", 0), ("fedavg", 1), ("fedprox", 0), ("fedprox", 1)):
        arguments = (*support.LEARNS, *options, "--algorithm.name", method, "--run.seed", seed)
        folder = runs / f"{method}-{seed}"
        succeeds(support.train(support.federation(), folder, *arguments[2:]))
    model = runs / "fedprox-0" / "best.h5"
    for kind, few in (("flatness", ("--directions", 1)), ("surface", ("--points", 3)), ("spectra", ())):
        succeeds(
            support.harmofl("analyse", kind, "--checkpoint", model, "--shards", support.federation(), *few)
        )
    where = ("--input", support.federation(), "--split", "test", "--output", runs / "fedprox-0" / "predicted")
    succeeds(support.harmofl("predict", "--checkpoint", model, *where))
    return runs


class ReportOfRuns(support.ProgramTest):
    def report(self, runs, *arguments):
        """The page and the folder of its figures."""
        page, figures = self.folder / "page.html", self.folder / "figures"
        command = [sys.executable, ROOT / "tools/report.py", runs, "--output", page, "--figures", figures]
        found = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
        self.assertEqual(found.returncode, 0, found.stderr)
        return page.read_text(), figures

    def test_segmentation(self):
        page, figures = self.report(segmented())
        left_out = re.findall(r'<p class="quiet">([^<]*): not available', page)
        self.assertEqual(left_out, ["Scaling", "Joules"])
        names = {path.stem for path in figures.iterdir()}
        kinds = {"curves", "drift", "flatness", "phases", "sites", "spectra", "surface"}
        self.assertEqual({name for name in names if not name.startswith("cases")}, kinds)
        # Patients are known from the shards, which lie where the runs found them.
        self.assertIn("signs of the patients", page)
        self.check_scores(figures)
        self.check_cases(figures)

    def check_scores(self, figures):
        """The numbers of the plot of sites are those of the summaries."""
        frame = pandas.read_csv(figures / "sites.csv")
        for folder in segmented().iterdir():
            method, seed = folder.name.split("-")
            sites = json.loads((folder / "summary.json").read_text())["test"]["sites"]
            rows = frame[(frame["group"] == method) & (frame["seed"] == int(seed))]
            self.assertEqual(
                dict(zip(rows["site"], rows["value"])),
                {site: values["dice"] for site, values in sites.items()},
            )

    def check_cases(self, figures):
        """The cases shown are the best and the worst of their site."""
        (path,) = figures.glob("cases-*.csv")
        shown = pandas.read_csv(path)
        samples = pandas.read_csv(segmented() / "fedprox-0" / "per_sample.csv")
        samples = samples[samples["split"] == "test"]
        for site in ("site_0", "site_1", "site_2"):
            of_site = samples[samples["site"] == site]["dice"]
            rows = shown[shown["site"] == site].set_index("which")["dice"]
            self.assertEqual((rows["best"], rows["worst"]), (of_site.max(), of_site.min()))

    def test_the_masks_shown_have_the_score_that_is_shown(self):
        """Image, truth and prediction of a case belong together."""
        run = harmofl_runs.open_run(segmented() / "fedprox-0")
        shards = harmofl_runs.find_shards(support.federation())
        samples = run.samples()
        for row in samples[samples["split"] == "test"].itertuples():
            truth, predicted = overlays.masks_of(run, shards[row.site], row.site, row.id)
            both = ((truth == 1) & (predicted == 1)).sum()
            self.assertAlmostEqual(
                2 * both / ((truth == 1).sum() + (predicted == 1).sum()), row.dice, places=12
            )

    def test_classification_with_a_site_held_out(self):
        shards = support.federation("classification")
        arguments = ("--algorithm.name", "fedavg", "--run.rounds", 1, "--run.per_sample", "true")
        for seed in (0, 1):
            folder = self.folder / "runs" / f"run-{seed}"
            succeeds(
                support.train(shards, folder, *arguments, *("--data.hold_out", "site_2", "--run.seed", seed))
            )
        page, figures = self.report(self.folder / "runs")
        self.assertIn("site_2 (held out)", page)
        self.assertIn("Test accuracy", page)
        shown = pandas.read_csv(figures / "cases-0.csv")
        samples = pandas.read_csv(self.folder / "runs" / "run-0" / "per_sample.csv")
        for row in shown.itertuples():
            sample = samples[(samples["site"] == row.site) & (samples["id"] == row.id)].iloc[0]
            self.assertEqual(shown.loc[row.Index, "p of the true class"], sample[f"p[{sample['class']}]"])


if __name__ == "__main__":
    support.main()
