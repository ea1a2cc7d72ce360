#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures, single samples, sites held out, patience, schedules and fine-tuning, as a user runs them."""

import csv
import json
import math
import pathlib
import shutil
import signal

import support
from support import harmofl, metrics, summary, train

QUICK = (*support.TINY, "--algorithm.name", "fedavg", "--train.lr", 0.01)
LABELS = ("--model.width", 4, "--data.batch_size", 4, "--comm.reduce", "exact", "--algorithm.name", "fedavg")


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def area(scores, positive):
    """ROC AUC by its definition: pairs in order, ties counted half."""
    pairs = [
        (a > b) + (a == b) / 2
        for a, p in zip(scores, positive)
        if p
        for b, q in zip(scores, positive)
        if not q
    ]
    return math.fsum(pairs) / len(pairs) if pairs else None


class Samples(support.ProgramTest):
    """per_sample.csv holds what the values of summary.json are made of."""

    @classmethod
    def setUpClass(cls):
        cls.labels = support.shared_folder() / "labels-run"
        shards = support.federation("classification")
        result = train(shards, cls.labels, *LABELS, "--run.rounds", 2, "--run.per_sample", ranks=2)
        assert result.code == 0, result
        cls.found = summary(cls.labels)

    def test_every_sample_of_val_and_test_is_there_once_with_its_id(self):
        found = rows(self.labels / "per_sample.csv")
        expected = set()
        for site in self.found["val"]["sites"]:
            with support.h5(support.federation("classification") / f"{site}.h5") as file:
                for split in ("val", "test"):
                    expected |= {(site, split, name.decode()) for name in file[split]["ids"][()]}
        self.assertEqual({(row["site"], row["split"], row["id"]) for row in found}, expected)
        self.assertEqual(len(found), len(expected))

    def test_accuracy_area_and_f1_are_those_of_the_samples(self):
        names = [name[2:-1] for name in rows(self.labels / "per_sample.csv")[0] if name.startswith("p[")]
        for split in ("val", "test"):
            table = self.found[split]
            everyone = [row for row in rows(self.labels / "per_sample.csv") if row["split"] == split]
            self.assert_values(table["pooled"], everyone, names)
            for site, values in table["sites"].items():
                self.assert_values(values, [row for row in everyone if row["site"] == site], names)

    def assert_values(self, values, samples, names):
        right = [row["class"] == row["predicted"] for row in samples]
        self.assertAlmostEqual(values["accuracy"], sum(right) / len(right))
        score = [float(row[f"p[{names[1]}]"]) for row in samples]
        expected = area(score, [row["class"] == names[1] for row in samples])
        if expected is None:
            self.assertIsNone(values["auc"])
        else:
            self.assertAlmostEqual(values["auc"], expected)
        f1 = []
        for name in names:
            truth, predicted = ([row[key] == name for row in samples] for key in ("class", "predicted"))
            if any(truth) or any(predicted):
                both = sum(a and b for a, b in zip(truth, predicted))
                f1.append(2 * both / (sum(truth) + sum(predicted)))
        self.assertAlmostEqual(values["f1"], sum(f1) / len(f1))

    def test_evaluate_writes_the_same_bytes_at_any_number_of_ranks(self):
        texts = []
        for ranks in (None, 2):
            table, lines = self.folder / f"{ranks}.json", self.folder / f"{ranks}.csv"
            self.succeeds(
                harmofl(
                    *("evaluate", "--checkpoint", self.labels / "best.h5", "--summary", table),
                    *("--shards", support.federation("classification"), "--per-sample", lines),
                    ranks=ranks,
                )
            )
            texts.append((table.read_text(), lines.read_text()))
        self.assertEqual(*texts)
        found, expected = json.loads(texts[0][0]), self.found["test"]
        self.assertEqual(found.keys(), expected.keys())
        for key in ("mean", "weighted", "pooled"):
            for name, value in expected[key].items():
                self.assertAlmostEqual(found[key][name], value, delta=1e-6, msg=f"{key} {name}")
        self.assertEqual(found["worst"]["loss"]["site"], expected["worst"]["loss"]["site"])

    def test_masks_have_their_measures_a_sample(self):
        folder = self.folder / "masks"
        arguments = ("--run.rounds", 1, "--run.per_sample", "--run.measures", "all", "--run.best_by", "hd95")
        self.succeeds(train(support.federation(), folder, *QUICK, *arguments))
        found = summary(folder)
        self.assertEqual((found["metric"], found["distance_unit"]), ("hd95", "pixel"))
        samples = [row for row in rows(folder / "per_sample.csv") if row["split"] == "test"]
        for name in ("dice", "iou", "hd95", "assd"):
            mean = sum(float(row[name]) for row in samples) / len(samples)
            self.assertAlmostEqual(found["test"]["pooled"][name], mean)
        self.assertIn("one_empty", found["test"]["mean"])

    def test_distances_are_in_mm_where_every_shard_says_how_far_its_pixels_are_apart(self):
        shards = pathlib.Path(shutil.copytree(support.federation(), self.folder / "shards"))
        pixels = self.distances(shards)
        self.assertEqual(pixels["distance_unit"], "pixel")
        for number, path in enumerate(sorted(shards.glob("*.h5"))):
            self.assertEqual(self.distances(shards), pixels, f"{number} of three shards say it")
            with support.h5(path, "r+") as file:
                file.attrs["spacing"] = [2.0, 2.0]
        millimetres = self.distances(shards)
        self.assertEqual(millimetres["distance_unit"], "mm")
        for site, values in millimetres["sites"].items():
            for name in ("hd95", "assd"):
                self.assertAlmostEqual(values[name], 2 * pixels["sites"][site][name], msg=f"{site} {name}")
            self.assertEqual(values["dice"], pixels["sites"][site]["dice"])

    def distances(self, shards):
        table, best = self.folder / "distances.json", support.trained() / "best.h5"
        arguments = ("--checkpoint", best, "--shards", shards, "--measures", "all", "--summary", table)
        self.succeeds(harmofl("evaluate", *arguments))
        return json.loads(table.read_text())

    def test_measures_of_another_task_and_unknown_ones_are_refused(self):
        shards, output = support.federation(), self.folder / "run"
        self.fails(train(shards, output, "--run.measures", "auc"), 2, "run.measures: auc", "masks")
        self.fails(train(shards, output, "--run.best_by", "accuracy"), 2, "run.best_by: accuracy")
        self.fails(train(shards, output, "--run.measures", "hd59", ranks=2), 2, "Did you mean 'hd95'?")
        self.assertFalse(output.exists())


class HeldOut(support.ProgramTest):
    def test_a_site_is_measured_as_new_and_never_trained_on(self):
        folder, shards = self.folder / "run", support.federation()
        hold_out = ("--data.hold_out", "site_1", "--model.norm", "batch")
        result = self.succeeds(train(shards, folder, *QUICK, *hold_out, "--run.rounds", 2))
        self.assertIn("held out: site_1", result.stderr)
        entries = metrics(folder)
        self.assertEqual({e["site"] for e in entries if e["split"] == "train"}, {"site_0", "site_2"})
        held = [e for e in entries if e.get("held_out")]
        self.assertEqual({(e["site"], e["split"]) for e in held}, {("site_1", "val"), ("site_1", "test")})
        found = summary(folder)
        self.assertEqual(set(found["test"]["sites"]), {"site_0", "site_2"})
        self.assertEqual(set(found["held_out"]["test"]["sites"]), {"site_1"})
        # evaluate knows it too
        table = self.folder / "table.json"
        arguments = ("--checkpoint", folder / "best.h5", "--shards", shards, "--output", table)
        text = self.succeeds(harmofl("evaluate", *arguments, "--summary", self.folder / "all.json")).stdout
        self.assertIn("site_1 (held out)", text)
        self.assertIn("mean of held out", text)
        all_sites = json.loads((self.folder / "all.json").read_text())
        self.assertEqual(set(all_sites["sites"]), {"site_0", "site_2"})
        self.assertEqual(set(all_sites["held_out"]["sites"]), {"site_1"})
        for name, value in found["held_out"]["test"]["sites"]["site_1"].items():
            self.assertAlmostEqual(json.loads(table.read_text())["site_1"][name], value, delta=1e-6)

    def test_unknown_sites_are_refused_with_a_near_name(self):
        result = train(support.federation(), self.folder / "run", "--data.hold_out", "site_l", ranks=2)
        self.fails(result, 1, "data.hold_out: site 'site_l' is unknown", "Did you mean 'site_")
        self.assertFalse((self.folder / "run").exists())


class Endings(support.ProgramTest):
    """A run with all of it, interrupted and resumed on another number of ranks."""

    ALL = (
        *QUICK,
        *("--data.hold_out", "site_1", "--data.hold_out_statistics", "estimated", "--model.norm", "batch"),
        *("--train.schedule", "cosine", "--train.schedule_rounds", 6, "--train.warm_up", 2),
        *("--run.patience", 4, "--run.best_by", "loss", "--run.per_sample"),
        *("--personalize.epochs", 1, "--run.rounds", 5),
    )

    def test_resumed_ends_with_the_same_bits_and_files(self):
        whole, parts = self.folder / "whole", self.folder / "parts"
        self.succeeds(train(support.federation(), whole, *self.ALL))
        result = train(
            support.federation(),
            parts,
            *self.ALL,
            when="round 0 (1/",
            then=lambda process: process.send_signal(signal.SIGTERM),
        )
        self.assertEqual(result.code, 75, result)
        self.succeeds(train(support.federation(), parts, *self.ALL, "--resume", ranks=2))
        self.assert_same_run(parts, whole)
        for name in ("per_sample.csv", "personalized.csv"):
            self.assertEqual((parts / name).read_bytes(), (whole / name).read_bytes(), name)
        rates = [entry["lr"] for entry in support.json_lines(whole / "rounds.jsonl")]
        cosine = [0.01 * (1 + math.cos(math.pi * s / 6)) / 2 for s in range(3)]
        for rate, expected in zip(rates, [0.01 / 3, 0.02 / 3, *cosine], strict=True):
            self.assertAlmostEqual(rate, expected, delta=1e-15)
        self.assert_personalized(summary(whole)["personalized"], rows(whole / "personalized.csv"))

    def assert_personalized(self, found, lines):
        self.assertEqual((found["epochs"], found["lr"]), (1, 0.01))
        self.assertEqual(set(found["val"]["before"]["sites"]), {"site_0", "site_2"})
        for line in lines:
            for when in ("before", "after"):
                value = found[line["split"]][when]["sites"][line["site"]][line["measure"]]
                self.assertEqual(float(line[when]), value)
        self.assertNotEqual(found["val"]["before"], found["val"]["after"])

    def test_patience_ends_a_run_and_says_so(self):
        folder = self.folder / "run"
        arguments = ("--train.lr", 1e-30, "--train.optimizer", "sgd", "--perturbation.alpha", 0)
        arguments += ("--model.norm", "group", "--run.patience", 1, "--run.rounds", 9)
        result = self.succeeds(train(support.federation(), folder, *support.TINY, *arguments))
        self.assertIn("stopping after 2 round(s)", result.stderr)
        self.assertEqual((summary(folder)["stopped_by"], summary(folder)["rounds"]), ("run.patience", 2))
        again = self.succeeds(train(support.federation(), folder, *support.TINY, *arguments, "--resume"))
        self.assertIn("resuming after 2 round(s)", again.stderr)
        self.assertEqual(summary(folder)["rounds"], 2)

    def test_schedules_that_cannot_be_are_refused(self):
        for arguments, text in (
            (("--train.schedule", "step"), "train.schedule_rounds"),
            (("--train.schedule_rounds", 3), "does nothing"),
            (
                ("--train.schedule", "cosine", "--train.schedule_rounds", 2, "--run.rounds", 5),
                "would be 0",
            ),
        ):
            with self.subTest(arguments=arguments):
                self.fails(train(support.federation(), self.folder / "run", *arguments), 1, text)


if __name__ == "__main__":
    support.main()
