#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole runs of `harmofl train`: the files of a run folder, and that ranks change nothing."""

import json
import statistics

import support
from support import metrics, summary, tensors, train

MEASURES = {"segmentation": ("dice", "dice_with_background"), "classification": ("accuracy",)}
SITES = ("site_0", "site_1", "site_2")


class RunFolder(support.ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.run_folder = support.shared_folder() / "run"
        result = train(support.federation(), cls.run_folder, "--run.rounds", 3, *support.LEARNS, ranks=2)
        assert result.code == 0, result

    def test_holds_the_files_promised_and_nothing_else(self):
        names = sorted(path.name for path in self.run_folder.iterdir())
        self.assertEqual(
            names,
            [
                "best.h5",
                "checkpoint.h5",
                "config.ini",
                "metrics.jsonl",
                "rounds.jsonl",
                "run.json",
                "summary.json",
            ],
        )

    def test_every_metric_of_every_round_site_and_split_is_there_once(self):
        entries = metrics(self.run_folder)
        keys = [(entry["round"], entry["site"], entry["split"]) for entry in entries]
        self.assertEqual(
            sorted(keys),
            sorted(
                (r, site, split) for r in range(3) for site in SITES for split in ("train", "val", "test")
            ),
        )
        for entry in entries:
            self.assertGreater(entry["loss"], 0)
            self.assertGreater(entry["seconds"], 0)
            for name in MEASURES["segmentation"]:
                self.assertEqual(name in entry, entry["split"] != "train", entry)
                self.assertTrue(0 <= entry.get(name, 0) <= 1, entry)
        self.assertGreater(max(entry.get("dice", 0) for entry in entries), 0.5)

    def test_summary_is_that_of_the_best_round(self):
        entries, found = metrics(self.run_folder), summary(self.run_folder)
        means = [
            statistics.fmean(
                entry["dice"] for entry in entries if entry["round"] == r and entry["split"] == "val"
            )
            for r in range(3)
        ]
        self.assertEqual(found["best_round"], means.index(max(means)))
        self.assertEqual((found["method"], found["metric"], found["rounds"]), ("fedavg", "dice", 3))
        for split in ("val", "test"):
            best = [
                entry for entry in entries if (entry["round"], entry["split"]) == (found["best_round"], split)
            ]
            self.assertEqual(set(found[split]["sites"]), set(SITES))
            for name in MEASURES["segmentation"]:
                values = [entry[name] for entry in best]
                self.assertEqual(
                    {entry["site"]: entry[name] for entry in best},
                    {site: row[name] for site, row in found[split]["sites"].items()},
                )
                self.assertAlmostEqual(found[split]["mean"][name], statistics.fmean(values))
                self.assertAlmostEqual(found[split]["std"][name], statistics.stdev(values))

    def test_run_record_tells_where_the_run_came_from(self):
        text = (self.run_folder / "run.json").read_text()
        self.assertFalse("\\u0000" in text, "a NUL character of a C string is in run.json")
        record = json.loads(text)
        for key in ("version", "git_commit", "build_type", "compiler"):
            self.assertTrue(record["harmofl"][key])
        self.assertTrue({"torch", "mpi", "hdf5"} <= set(record["libraries"]))
        self.assertEqual(record["config"]["model"]["width"], "4")
        self.assertEqual(sorted(site for rank in record["ranks"] for site in rank["sites"]), sorted(SITES))
        self.assertEqual([rank["rank"] for rank in record["ranks"]], [0, 1])
        self.assertEqual([shard["site"] for shard in record["shards"]], list(SITES))
        self.assertEqual(record["shards"][0]["train"]["samples"], 8)

    def test_h5py_reads_the_model_under_its_pytorch_names(self):
        record = json.loads((self.run_folder / "run.json").read_text())
        for name in ("checkpoint.h5", "best.h5"):
            with support.h5(self.run_folder / name) as file:
                model = file["model"]
                self.assertEqual(model["encoder1.enc1_conv1.weight"].shape, (4, 3, 3, 3))
                self.assertEqual(model["conv.bias"].shape, (2,))
                self.assertEqual(file.attrs["algorithm"], "fedavg")
                counts = [item.size for item in model.values() if item.attrs["role"] == "parameter"]
                self.assertEqual(sum(counts), record["model_parameters"])
        for values in tensors(self.run_folder / "best.h5").values():
            self.assertTrue(support.numpy.isfinite(values).all())
        with support.h5(support.federation() / "site_0.h5") as shard:
            self.assertEqual(shard["train/images"].shape, (8, 3, 32, 32))
            self.assertEqual(set(support.numpy.unique(shard["train/masks"])), {0, 1})

    def test_config_of_the_run_makes_the_run_again(self):
        again = self.folder / "again"
        self.succeeds(
            support.harmofl(
                "train", "--config", self.run_folder / "config.ini", "--run.output", again, ranks=2
            )
        )
        self.assert_same_run(self.run_folder, again)

    def test_another_seed_makes_another_run(self):
        other = self.folder / "other"
        self.succeeds(
            support.harmofl(
                "train",
                "--config",
                self.run_folder / "config.ini",
                "--run.output",
                other,
                "--run.seed",
                1,
                "--run.rounds",
                1,
            )
        )
        left, right = (tensors(folder / "best.h5") for folder in (self.run_folder, other))
        self.assertTrue(any((left[name] != right[name]).any() for name in left))


class KernelChoice(support.ProgramTest):
    def run_with(self, name, *arguments):
        folder = self.folder / name
        self.succeeds(
            train(
                support.federation(),
                folder,
                "--model.width",
                16,
                "--run.rounds",
                1,
                "--data.batch_size",
                4,
                "--comm.reduce",
                "exact",
                *arguments,
            )
        )
        return folder, (folder / "config.ini").read_text().splitlines()

    def test_is_recorded_and_changes_no_more_than_rounding(self):
        own, config = self.run_with("own")
        self.assertTrue({"kernels = own", "memory_format = channels-last"} <= set(config))
        libtorch, config = self.run_with("libtorch", "--model.kernels", "libtorch")
        self.assertTrue({"kernels = libtorch", "memory_format = contiguous"} <= set(config))
        self.assertNotEqual(summary(own)["test"], summary(libtorch)["test"])
        self.assertAlmostEqual(
            summary(own)["test"]["mean"]["loss"], summary(libtorch)["test"]["mean"]["loss"], delta=1e-3
        )

    def test_may_change_when_a_run_goes_on_as_its_device_may(self):
        folder, _ = self.run_with("begun")
        self.succeeds(
            support.harmofl(
                "train",
                "--config",
                folder / "config.ini",
                "--resume",
                "--run.rounds",
                2,
                "--model.kernels",
                "libtorch",
            )
        )
        self.assertIn("kernels = libtorch", (folder / "config.ini").read_text())

    def test_of_own_ones_is_refused_for_a_gpu(self):
        result = train(
            support.federation(), self.folder / "run", "--device.type", "cuda", "--model.kernels", "own"
        )
        self.fails(result, 2, "model.kernels = own", "device.type = cuda")


class Ranks(support.ProgramTest):
    """One rank, several, more than sites, and no mpirun: the same bits with comm.reduce exact."""

    def same_at_all_ranks(self, task, *arguments):
        runs = {}
        for ranks in (None, 1, 2, 4):
            runs[ranks] = self.folder / f"ranks{ranks}"
            self.succeeds(
                train(
                    support.federation(task),
                    runs[ranks],
                    *support.TINY,
                    "--run.rounds",
                    2,
                    *arguments,
                    ranks=ranks,
                )
            )
        for ranks in (1, 2, 4):
            with self.subTest(ranks=ranks):
                self.assert_same_run(runs[None], runs[ranks])
        return runs[None]

    def test_harmofl_segmentation_is_the_same_at_any_number(self):
        self.same_at_all_ranks("segmentation", "--algorithm.name", "harmofl")

    def test_fedavg_weighted_by_samples_is_the_same_at_any_number(self):
        self.same_at_all_ranks(
            "segmentation", "--algorithm.name", "fedavg", "--model.norm", "batch", "--data.weights", "samples"
        )

    def test_classification_is_the_same_at_any_number(self):
        folder = self.same_at_all_ranks("classification", "--train.lr", 0.01)
        self.assertEqual(summary(folder)["metric"], "accuracy")
        self.assertIn("name = cnn", (folder / "config.ini").read_text())
        self.assertIn("classifier.weight", tensors(folder / "best.h5"))
        for entry in metrics(folder):
            self.assertEqual("accuracy" in entry, entry["split"] != "train")

    def test_fast_reduction_is_as_good(self):
        # Sums in another order: close, not the same to the bit.
        numbers = []
        for ranks, kind in ((1, "exact"), (2, "fast")):
            folder = self.folder / kind
            self.succeeds(
                train(
                    support.federation(),
                    folder,
                    "--model.width",
                    2,
                    "--comm.reduce",
                    kind,
                    "--data.batch_size",
                    4,
                    "--run.rounds",
                    1,
                    ranks=ranks,
                )
            )
            numbers.append(summary(folder)["test"]["mean"]["loss"])
        self.assertAlmostEqual(numbers[0], numbers[1], delta=1e-4)


if __name__ == "__main__":
    support.main()
