#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/harmofl_runs/ against what the program says of the same files, and h5py by hand."""

import functools
import json
import math
import pathlib
import re
import shutil
import sys
import warnings

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests/end_to_end")]

import support  # noqa: E402

try:
    import h5py
    import numpy

    import harmofl_runs
    from harmofl_runs import RunError, frames
except ImportError as missing:  # set up without tools/install-deps.sh
    print(f"skipped: {missing} (tools/install-deps.sh installs it)")
    sys.exit(support.SKIPPED)


@functools.cache
def folder():
    """A run of two rounds with all that a run folder may hold, made once."""
    output = support.shared_folder() / "segmented"
    result = support.train(
        support.federation(),
        output,
        *support.LEARNS,
        *("--run.rounds", 2, "--run.per_sample", "true", "--run.measure", "true", "--run.seed", 7),
        ranks=2,
    )
    assert result.code == 0, result
    return output


@functools.cache
def classified():
    """A run of a classifier with a site held out, made once."""
    output = support.shared_folder() / "classified"
    result = support.train(
        support.federation("classification"),
        output,
        *("--algorithm.name", "fedbn", "--run.rounds", 1, "--run.per_sample", "true"),
        *("--data.hold_out", "site_2", "--comm.reduce", "exact"),
    )
    assert result.code == 0, result
    return output


class Frames(support.ProgramTest):
    def test_best_is_what_evaluate_prints_of_the_best_model(self):
        said = self.folder / "said.json"
        self.succeeds(
            support.harmofl(
                *("evaluate", "--checkpoint", folder() / "best.h5", "--shards", support.federation()),
                *("--split", "test", "--output", said),
            )
        )
        best = harmofl_runs.open_run(folder()).best("test")
        table = json.loads(said.read_text())
        self.assertEqual(list(best.index), list(table))
        for site, values in table.items():
            for measure, value in values.items():
                self.assertEqual(best.loc[site, measure], value)
        self.assertEqual(list(best["samples"]), [4, 4, 4])

    def test_scores_have_every_value_of_every_line_once(self):
        scores = harmofl_runs.open_run(folder()).scores()
        count = 0
        for line in support.metrics(folder()):
            facts = {key: line.pop(key) for key in ("round", "site", "split")}
            del line["seconds"]
            for measure, value in line.items():
                rows = scores[
                    (scores["round"] == facts["round"])
                    & (scores["site"] == facts["site"])
                    & (scores["split"] == facts["split"])
                    & (scores["measure"] == measure)
                ]
                self.assertEqual(list(rows["value"]), [value])
                count += 1
        self.assertEqual(len(scores), count)
        self.assertLessEqual(
            {"drift", "gradient_norm", "loss"}, set(scores[scores["split"] == "train"]["measure"])
        )

    def test_phases_have_mean_and_largest_of_the_ranks(self):
        run = harmofl_runs.open_run(folder())
        phases = run.phases()
        self.assertEqual(set(phases["round"]), {0, 1})
        for phase in ("train", "evaluate", "aggregate"):
            self.assertGreater(phases[phases["phase"] == phase]["mean"].sum(), 0)
        for line in support.json_lines(folder() / "rounds.jsonl"):
            for phase, seconds in line["phases"].items():
                row = phases[(phases["round"] == line["round"]) & (phases["phase"] == phase)].iloc[0]
                self.assertEqual({"mean": row["mean"], "max": row["max"]}, seconds)
        # Two ranks, of which one has two sites: mean and largest differ.
        self.assertTrue((phases["max"] > phases["mean"]).any())

    def test_joules_are_by_kind_phase_and_rank(self):
        lines = [
            {"round": 0},
            {"round": 1, "joules": {"cpu": {"train": [1.5, 2.5]}, "gpu": {"other": [None, 0.0]}}},
        ]
        found = frames.joules(lines)
        rows = [(1, "cpu", "train", 0, 1.5), (1, "cpu", "train", 1, 2.5), (1, "gpu", "other", 1, 0.0)]
        self.assertEqual([tuple(row) for row in found.dropna().to_numpy()], rows)
        self.assertTrue(math.isnan(found["joules"][2]))
        self.assertTrue(harmofl_runs.open_run(folder()).joules().empty)

    def test_rounds_and_ranks(self):
        run = harmofl_runs.open_run(folder())
        rounds = run.rounds()
        self.assertEqual(list(rounds["round"]), [0, 1])
        self.assertEqual(list(rounds["clients"]), [3, 3])
        self.assertEqual(list(rounds["lost"]), [0, 0])
        self.assertEqual(rounds["sent_bytes"].sum(), run.summary["sent_bytes_a_client"])
        self.assertEqual(sorted(sum(run.ranks()["sites"], [])), ["site_0", "site_1", "site_2"])
        self.assertEqual((run.method, run.seed, run.finished), ("fedavg", 7, True))

    def test_means_of_samples_are_the_scores_of_the_sites(self):
        run = harmofl_runs.open_run(folder())
        samples = run.samples()
        for split in ("val", "test"):
            means = samples[samples["split"] == split].groupby("site")["dice"].mean()
            for site, value in run.best(split)["dice"].items():
                self.assertAlmostEqual(means[site], value, places=12)

    def test_held_out_sites_are_marked(self):
        run = harmofl_runs.open_run(classified())
        best = run.best("test")
        self.assertEqual(dict(best["held_out"]), {"site_0": False, "site_1": False, "site_2": True})
        scores = run.scores()
        self.assertEqual(set(scores[scores["held_out"]]["site"]), {"site_2"})
        samples = run.samples()
        right = samples[(samples["split"] == "test")]
        share = (right["class"] == right["predicted"]).groupby(right["site"]).mean()
        for site, value in best["accuracy"].items():
            self.assertAlmostEqual(share[site], value, places=12)

    def test_configuration_is_that_of_run_json(self):
        run = harmofl_runs.open_run(folder())
        nested = run.provenance["config"]
        flat = {f"{section}.{key}": value for section, keys in nested.items() for key, value in keys.items()}
        self.assertEqual(run.config, flat)

    def test_analysis(self):
        self.succeeds(
            support.harmofl(
                *("analyse", "spectra", "--checkpoint", folder() / "best.h5"),
                *("--shards", support.federation(), "--output", folder()),
            )
        )
        facts, rows = harmofl_runs.open_run(folder()).analysis("spectra")
        self.assertEqual(facts["sites"], ["site_0", "site_1", "site_2"])
        lines = (folder() / "spectra.csv").read_text().splitlines()
        self.assertEqual(list(rows.columns), lines[0].split(","))
        self.assertEqual([float(x) for x in lines[2].split(",")], [float(x) for x in rows.iloc[1]])

    def test_runs_below_a_folder_come_once(self):
        found = harmofl_runs.find_runs(support.shared_folder(), folder())
        self.assertEqual([run.folder.name for run in found].count("segmented"), 1)


class Models(support.ProgramTest):
    def test_norms_and_order_are_those_that_inspect_prints(self):
        said = self.succeeds(support.harmofl("inspect", folder() / "best.h5")).stdout
        lines = re.findall(r"^    (\S+) +\[([\d, ]*)\]  norm (\S+)", said.split("\n\n")[0], re.MULTILINE)
        state = harmofl_runs.state_dict(folder() / "best.h5")
        self.assertEqual([name for name, _, _ in lines], list(state))
        for name, shape, norm in lines:
            self.assertEqual(
                list(state[name].shape), [int(side) for side in shape.split(",") if side.strip()]
            )
            value = math.sqrt(float((state[name].astype(numpy.float64) ** 2).sum()))
            self.assertEqual(f"{value:.6g}", norm)

    def test_values_are_those_of_the_file(self):
        state = harmofl_runs.state_dict(folder() / "checkpoint.h5")
        by_hand = support.tensors(folder() / "checkpoint.h5")
        self.assertEqual(set(state), set(by_hand))
        for name, value in by_hand.items():
            self.assertEqual(state[name].dtype, numpy.float32)
            self.assertEqual(state[name].tobytes(), value.tobytes())

    def test_state_of_a_client(self):
        path = classified() / "checkpoint.h5"
        self.assertEqual(harmofl_runs.client_names(path), ["site_0", "site_1"])
        state = harmofl_runs.state_dict(path, "clients/site_1")
        self.assertTrue(any(name.startswith("local.") for name in state))

    def test_tensors_of_pytorch(self):
        try:
            import torch
        except ImportError:
            self.skipTest("torch is not installed for Python (tools/install-deps.sh --pytorch)")
        state = harmofl_runs.torch_state_dict(folder() / "best.h5")
        for name, value in harmofl_runs.state_dict(folder() / "best.h5").items():
            self.assertTrue(torch.equal(state[name], torch.from_numpy(value)))


class Shards(support.ProgramTest):
    def test_means_are_those_that_inspect_prints(self):
        for site, shard in harmofl_runs.find_shards(support.federation()).items():
            said = self.succeeds(support.harmofl("inspect", shard.path)).stdout
            self.assertIn(f"'{site}'", said)
            for split in ("train", "val", "test"):
                pixels = shard.images(split).astype(numpy.float64) / shard.intensity_scale
                means = ", ".join(f"{value:.4f}" for value in pixels.mean(axis=(0, 2, 3)))
                self.assertRegex(said, rf"{split}: {len(pixels)} samples.*\n    mean \[{re.escape(means)}\]")
                share = 100 * (shard.masks(split) == 1).mean()
                self.assertIn(f"{shard.class_names[1]} {share:.1f} %", said)

    def test_arrays_are_those_of_the_file(self):
        shard = harmofl_runs.open_shard(support.federation() / "site_1.h5")
        with h5py.File(shard.path) as file:
            self.assertTrue(numpy.array_equal(shard.images("val"), file["val/images"][()]))
            self.assertTrue(numpy.array_equal(shard.images("val", [1, 3]), file["val/images"][()][[1, 3]]))
            self.assertTrue(numpy.array_equal(shard.masks("test", 2), file["test/masks"][2]))
            self.assertEqual(shard.ids("test"), [name.decode() for name in file["test/ids"][()]])
            self.assertEqual(shard.groups("test"), [name.decode() for name in file["test/groups"][()]])

    def test_nobody_is_named_where_there_are_no_patients(self):
        path = self.folder / "site.h5"
        shutil.copy(support.federation() / "site_1.h5", path)
        with h5py.File(path, "r+") as file:
            del file["test/groups"]
        self.assertEqual(harmofl_runs.open_shard(path).groups("test"), [""] * 4)

    def test_labels(self):
        shard = harmofl_runs.open_shard(support.federation("classification") / "site_0.h5")
        self.assertEqual(shard.labels("train").shape, (8,))
        self.assertEqual(shard.task, "classification")


class Errors(support.ProgramTest):
    """Each names the file, what was found, and a remedy."""

    def raises(self, call, *texts):
        with self.assertRaises(RunError) as caught:
            call()
        for text in texts:
            self.assertIn(text, str(caught.exception))

    def run_with(self, **content):
        (self.folder / "config.ini").write_text("[run]\nseed = 1\n[algorithm]\nname = fedavg\n")
        for name, text in content.items():
            (self.folder / name.replace("_", ".")).write_text(text)
        return harmofl_runs.open_run(self.folder)

    def test_no_run_folder(self):
        self.raises(
            lambda: harmofl_runs.open_run(self.folder / "none"), "none", "is not a folder", "run.output"
        )
        self.raises(lambda: harmofl_runs.open_run(self.folder), "config.ini", "no such file")
        self.raises(
            lambda: harmofl_runs.find_runs(self.folder), "holds no config.ini", "Give folders of runs"
        )

    def test_a_run_that_has_not_ended(self):
        self.raises(lambda: self.run_with().summary, "summary.json", "no such file", "--resume")
        self.raises(lambda: self.run_with().samples(), "per_sample.csv", "--run.per_sample true")
        self.raises(lambda: self.run_with().analysis("drift"), "drift.json", "harmofl analyse drift")

    def test_unknown_names(self):
        run = self.run_with(summary_json="{}")
        self.raises(lambda: run.best("train"), "'train'", "'val' or 'test'")
        self.raises(lambda: run.best("test"), "summary.json", "measured no site of test")
        self.raises(lambda: run.key("run.sead"), "config.ini", "run.sead")
        self.raises(lambda: run.analysis("drifts"), "'drifts'", "drift, flatness")

    def test_damaged_json(self):
        self.raises(lambda: self.run_with(summary_json='{"method": ').summary, "summary.json", "is no JSON")
        self.raises(lambda: self.run_with(summary_json="[]").summary, "holds list")
        self.raises(lambda: self.run_with(metrics_jsonl='{"round": 0\n').scores(), "line 1", '{"round": 0')

    def test_a_line_that_is_being_written_is_left_out_with_a_warning(self):
        line = '{"round":0,"site":"a","split":"val","dice":0.5}'
        run = self.run_with(metrics_jsonl=f'{line}\n{{"rou')
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.assertEqual(len(run.scores()), 1)
        self.assertIn("line 2 is not whole", str(caught[0].message))

    def test_a_value_that_is_not_finite_is_nan(self):
        run = self.run_with(metrics_jsonl='{"round":0,"site":"a","split":"val","dice":null}\n')
        self.assertTrue(math.isnan(run.scores()["value"][0]))

    def test_a_site_called_na_keeps_its_name(self):
        run = self.run_with()
        (self.folder / "per_sample.csv").write_text("site,split,id,dice\nNA,test,null,0.1\n")
        samples = run.samples()
        self.assertEqual((samples["site"][0], samples["id"][0]), ("NA", "null"))
        self.assertEqual(samples["dice"][0], 0.1)

    def test_files_of_another_kind(self):
        shard, model = support.federation() / "site_0.h5", folder() / "best.h5"
        self.raises(lambda: harmofl_runs.state_dict(shard), "site_0.h5", "rounds_done", "checkpoint")
        self.raises(lambda: harmofl_runs.open_shard(model), "best.h5", "attribute site", "shard")
        self.raises(lambda: harmofl_runs.state_dict(model, "clients/nowhere"), "clients/nowhere", "model")
        self.raises(lambda: harmofl_runs.open_shard(shard).labels("test"), "labels", "segmentation")
        self.raises(lambda: harmofl_runs.open_shard(shard).images("tests"), "'tests'", "train, val, test")
        self.raises(lambda: harmofl_runs.open_shard(self.folder / "no.h5"), "no.h5", "is not a file")
        self.raises(lambda: harmofl_runs.find_shards(self.folder), "holds no *.h5")

    def test_a_damaged_checkpoint(self):
        path = self.folder / "cut.h5"
        path.write_bytes((folder() / "best.h5").read_bytes()[:5000])
        self.raises(lambda: harmofl_runs.state_dict(path), "cut.h5", "harmofl inspect")


if __name__ == "__main__":
    support.main()
