#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/study.py with the programs, on the sample of BBBC038: data, runs, an interruption, what is
collected."""

import csv
import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests/end_to_end")]

import support  # noqa: E402

try:
    import numpy
    import pandas

    import harmofl_runs
    from scanner import scanners
    from scanner.draws import generator
    from scanner.optics import scanned
    from study.data import Store
    from study.experiments import EXPERIMENTS
    from study.plan import plan
except ImportError as missing:  # set up without tools/install-deps.sh
    print(f"skipped: {missing} (tools/install-deps.sh installs it)")
    sys.exit(support.SKIPPED)

FIXTURE = ROOT / "tests/fixtures/bbbc038"
# Learning rates by file, so that no run of `rates` is needed.
CONFIG = """
[run]
rounds = {rounds}
evaluate_every = 1
save_every = 1
per_sample = true
measure = true
[data]
batch_size = 4
[model]
width = 2
[train]
optimizer = sgd
momentum = 0.5
[comm]
reduce = exact
"""


@functools.cache
def shared():
    """Tuned keys and data for all tests: shards are made once."""
    folder = support.shared_folder()
    (folder / "tuned").mkdir()
    for method in ("fedavg", "harmofl"):
        (folder / "tuned" / f"{method}.ini").write_text("[train]\nlr = 0.2\n")
    return folder


def command(output, config, *options, what="run"):
    tuned = shared() / "tuned"
    words = [sys.executable, ROOT / "tools/study.py", what, "--output", output, "--config", config]
    words += ["--source", FIXTURE, "--tuned", tuned, "--data", shared() / "data", "--size", 16]
    words += ["--program", support.HARMOFL, "--prepare", support.PREPARE, "--only", "new-sites", *options]
    return [str(word) for word in words]


def study(output, config, *options, what="run"):
    return subprocess.run(
        command(output, config, *options, what=what), capture_output=True, text=True, check=False
    )


def config_of(folder, rounds):
    path = folder / "study.ini"
    path.write_text(CONFIG.format(rounds=rounds))
    return path


@functools.cache
def done():
    """A study of two methods and a seed that has ended."""
    output = shared() / "done"
    config = config_of(shared(), 2)
    found = study(output, config, "--methods", "fedavg,harmofl", "--seeds", "1", "--jobs", "2")
    assert found.returncode == 0, found
    return output


class Data(support.ProgramTest):
    def shards(self, name):
        done()
        return harmofl_runs.find_shards(shared() / "data/16px" / name)

    def test_shards_hold_scanned_pixels(self):
        """What the second preparation stored is what the scanner made of what the first stored."""
        before, after = self.shards("dark-4-strength0-draw0"), self.shards("dark-4-strength1-draw0")
        profiles = scanners(0, 4)
        for index, (site, shard) in enumerate(sorted(after.items())):
            names = shard.ids("train")
            self.assertEqual(names, before[site].ids("train"), "images are paired over strengths")
            for row, name in enumerate(names):
                image = numpy.moveaxis(before[site].images("train", row), 0, 2)
                wanted = scanned(image, profiles[index], generator("noise", 0, site, name))
                numpy.testing.assert_array_equal(numpy.moveaxis(shard.images("train", row), 0, 2), wanted)
            numpy.testing.assert_array_equal(shard.masks("train"), before[site].masks("train"))

    def test_strength_0_is_what_was_prepared(self):
        base, dealt = self.shards("base-dark"), self.shards("dark-4-strength0-draw0")
        images = {
            (split, name): shard.images(split, row)
            for shard in base.values()
            for split in ("train", "val", "test")
            for row, name in enumerate(shard.ids(split))
        }
        seen = 0
        for shard in dealt.values():
            for split in ("train", "val", "test"):
                for row, name in enumerate(shard.ids(split)):
                    numpy.testing.assert_array_equal(shard.images(split, row), images[split, name])
                    seen += 1
        self.assertEqual(seen, len(images))
        self.assertEqual(seen, 26, "12, 8 and 6 dark images of the sample")

    def test_real_groups_are_sites_as_they_were_prepared(self):
        source = self.folder / "source"
        shutil.copytree(FIXTURE, source)
        shutil.copytree(source / "he_white", source / "bf1024")  # the sample lacks this group
        store = Store(self.folder / "data", source, str(support.PREPARE), 16)
        shards = harmofl_runs.find_shards(store.shards(plan(EXPERIMENTS["real-sites"])[0].data))
        self.assertEqual(sorted(shards), sorted(path.name for path in source.iterdir() if path.is_dir()))
        files = {path.stem.removesuffix("_mask") for path in (source / "he_violet").glob("*.png")}
        held = {name for split in ("train", "val", "test") for name in shards["he_violet"].ids(split)}
        self.assertEqual(held, files)

    def test_manifest(self):
        done()
        path = shared() / "data/16px/dark-4-strength0.5-draw0/scanner.json"
        self.assertEqual(json.loads(path.read_text())["strength"], 0.5)


def rounds_of(run):
    """How many rounds a run has done, as its file says."""
    path = run / "rounds.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


class Runs(support.ProgramTest):
    def test_folders(self):
        names = {path.parent.name for path in done().rglob("summary.json")}
        self.assertEqual(names, {"fedavg-seed0", "harmofl-seed0"})
        settings = {path.name for path in (done() / "new-sites").iterdir()}
        self.assertEqual(settings, {f"strength{s}" for s in ("0", "0.25", "0.5", "0.75", "1")})
        run = harmofl_runs.open_run(done() / "new-sites/strength1/harmofl-seed0")
        self.assertEqual(run.key("data.hold_out"), "site_3")
        self.assertEqual(run.key("train.lr"), "0.2")
        self.assertEqual(run.key("perturbation.alpha"), "0.05")
        self.assertTrue(run.has("flatness.json") and run.has("spectra.json"))
        facts, _ = run.analysis("flatness")
        self.assertEqual(
            facts["sites"], ["site_0", "site_1", "site_2"], "flatness is of the sites that train"
        )
        facts, _ = run.analysis("spectra")
        self.assertEqual(facts["sites"], ["site_0", "site_1", "site_2", "site_3"])

    def test_again_there_is_nothing_to_do(self):
        config = shared() / "study.ini"
        done()
        before = {path: path.stat().st_mtime_ns for path in done().rglob("summary.json")}
        found = study(done(), config, "--methods", "fedavg,harmofl", "--seeds", "1")
        self.assertIn("10 runs, 10 done, 0 to do", found.stdout)
        self.assertEqual(before, {path: path.stat().st_mtime_ns for path in done().rglob("summary.json")})
        found = study(done(), config, "--methods", "fedavg", "--seeds", "1", what="list")
        self.assertEqual(found.stdout.count("  done  new-sites/"), 5)

    def test_collected_numbers_are_those_of_metrics(self):
        done()
        found = study(done(), shared() / "study.ini", what="collect")
        self.assertEqual(found.returncode, 0, found.stderr)
        frame = pandas.read_csv(done() / "collected/new-sites-scores.csv")
        self.assertEqual(len(frame[["method", "strength"]].drop_duplicates()), 10)
        for row in frame[~frame["measure"].str.contains("[", regex=False)].itertuples():  # not of one class
            folder = pathlib.Path(row.source).parent
            lines = support.json_lines(folder / "metrics.jsonl")
            by_round = {}
            for line in lines:
                if line["split"] == "val" and not line.get("held_out"):
                    by_round.setdefault(line["round"], []).append(line["dice"])
            means = {index: sum(values) / len(values) for index, values in by_round.items()}
            self.assertEqual(means[row.best_round], max(means.values()), folder)
            (line,) = [
                one
                for one in lines
                if (one["round"], one["site"], one["split"]) == (row.best_round, row.site, row.split)
            ]
            self.assertAlmostEqual(line[row.measure], row.value, places=12)
            self.assertEqual(bool(line.get("held_out")), row.site_held_out)

    def test_figures(self):
        words = [sys.executable, ROOT / "tools/report.py", done() / "new-sites", "--against", "strength"]
        words += ["--output", self.folder / "page.html", "--figures", self.folder]
        found = subprocess.run(words, capture_output=True, text=True, check=False)
        self.assertEqual((found.returncode, found.stderr), (0, ""))
        with (self.folder / "against.csv").open() as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(len(rows), 10 * 2)
        shift = pandas.read_csv(self.folder / "against-shift.csv")
        shift = shift[shift["quantity"] == "shift_held_out"].set_index("strength")["value"]
        self.assertGreater(shift[1.0], shift[0.0])
        self.assertIn("drift", (self.folder / "against-flatness.csv").read_text().splitlines()[0])

    def wait_for_rounds(self, run, process, known):
        """Until the run has done more rounds than are known."""
        started = time.monotonic()
        while rounds_of(run) <= known or not (run / "checkpoint.h5").exists():
            self.assertIsNone(process.poll(), "it ended before it could be ended")
            self.assertLess(time.monotonic() - started, 100)
            time.sleep(0.01)

    def test_after_a_kill_it_goes_on_to_the_same_bits(self):
        """The driver and its run are killed, then asked to end, then left alone."""
        config = config_of(self.folder, 100)
        options = ("--methods", "harmofl", "--seeds", "1", "--share", "1/5")  # strength 0 alone
        whole, broken = self.folder / "whole", self.folder / "broken"
        self.assertEqual(study(whole, config, *options).returncode, 0)
        run = broken / "new-sites/strength0/harmofl-seed0"
        for number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 75)):
            known = rounds_of(run)
            process = subprocess.Popen(command(broken, config, *options), stdout=subprocess.DEVNULL)
            self.wait_for_rounds(run, process, known)
            process.send_signal(number)
            if number == signal.SIGKILL:  # the run would go on without its driver
                os.kill(json.loads((run / "run.json").read_text())["ranks"][0]["process_id"], number)
            self.assertEqual(process.wait(), code)
            self.assertFalse((run / "summary.json").exists(), "it had ended already")
        self.assertEqual(study(broken, config, *options).returncode, 0)
        self.assert_same_run(whole / "new-sites/strength0/harmofl-seed0", run)

    def test_failures(self):
        config = config_of(self.folder, 1)
        config.write_text(config.read_text().replace("batch_size = 4", "batch_size = none"))
        found = study(self.folder / "out", config, "--methods", "fedavg", "--seeds", "1")
        self.assertEqual(found.returncode, 1)
        self.assertIn("new-sites/strength0/fedavg-seed0: train: ended with 2: error: ", found.stderr)
        self.assertIn("none", found.stderr)
        shutil.copytree(FIXTURE, self.folder / "empty", ignore=shutil.ignore_patterns("fluo*"))
        words = command(self.folder / "out", config, "--methods", "fedavg", "--seeds", "1")
        words[words.index(str(FIXTURE))] = str(self.folder / "empty")
        words[words.index(str(shared() / "data"))] = str(self.folder / "data")
        found = subprocess.run(words, capture_output=True, text=True, check=False)
        self.assertEqual(found.returncode, 1)
        self.assertIn("harmofl-prepare ended with", found.stderr)
        found = study(self.folder / "out", config, "--methods", "fedavgg")
        self.assertEqual((found.returncode, len(found.stderr.splitlines())), (1, 1))
        self.assertIn("has no 'fedavgg'", found.stderr)

    def test_only_runs_that_hold_out_these(self):
        words = [sys.executable, ROOT / "tools/study.py", "list", "--output", self.folder / "out"]
        words += ["--only", "new-sites-each", "--seeds", "1", "--held-out"]
        found = subprocess.run([*words, "site_1,site_3"], capture_output=True, text=True, check=False)
        self.assertEqual(found.returncode, 0, found.stderr)
        listed = [line.split("/")[1] for line in found.stdout.splitlines()[1:]]
        names = [f"strength1-without-{site}" for site in ("site_1", "site_3")]
        self.assertEqual(listed, [name for name in names for _ in range(4)])
        found = subprocess.run([*words, "site_1,he_white"], capture_output=True, text=True, check=False)
        self.assertEqual(found.returncode, 1)
        self.assertIn("never holds out 'he_white', but: site_0, site_1, site_2, site_3.", found.stderr)


if __name__ == "__main__":
    support.main()
