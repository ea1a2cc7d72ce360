#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The methods of the comparison, as a user runs them."""

import json

import support
from support import harmofl, summary, train

TINY = (
    *support.TINY,
    "--run.rounds",
    2,
    "--train.optimizer",
    "sgd",
    "--train.momentum",
    0,
    "--train.weight_decay",
    0,
)
METHODS = (
    "cyclic",
    "ditto",
    "fedadagrad",
    "fedadam",
    "fedavg",
    "fedavgm",
    "fedbn",
    "feddyn",
    "fednova",
    "fedprox",
    "fedsam",
    "fedyogi",
    "harmofl",
    "local",
    "moon",
    "scaffold",
)


def warnings(result):
    return [line for line in result.stderr.splitlines() if line.startswith("warning")]


class Methods(support.ProgramTest):
    def test_all_are_listed_with_keys_defaults_and_papers(self):
        text = self.succeeds(harmofl("algorithms")).stdout
        listed = [line.split()[0] for line in text.splitlines()[3:] if not line.startswith(" ")]
        self.assertEqual(listed, list(METHODS))
        for line in (
            "algorithm.mu = 0.01",
            "algorithm.temperature = 0.5",
            "algorithm.a = 0.01",
            "algorithm.lambda = 1",
            "AAAI 2022",
            "model.norm = batch",
        ):
            self.assertIn(line, text)

    def test_each_trains_with_both_halves_of_harmofl_and_says_what_it_sent(self):
        sent = {}
        for method in METHODS:
            with self.subTest(method):
                folder = self.folder / method
                self.succeeds(
                    train(
                        support.federation(),
                        folder,
                        *TINY,
                        "--algorithm.name",
                        method,
                        "--amplitude.band",
                        "off" if method in ("cyclic", "local") else "dc",
                        "--perturbation.alpha",
                        0.05,
                        "--model.norm",
                        "batch",
                        "--model.projection",
                        "none",
                    )
                )
                sent[method] = json.loads((folder / "summary.json").read_text())["sent_bytes_a_client"]
        tensors = support.tensors(self.folder / "fedavg" / "checkpoint.h5")
        amplitude = tensors.pop("amp_norm.running_amp").size
        state = sum(values.size for values in tensors.values())
        parameters = state - sum(
            values.size for name, values in tensors.items() if "running_" in name or "num_batches" in name
        )
        norms = sum(values.size for name, values in tensors.items() if "_bn" in name)
        once = 8 * amplitude  # in the first round only; 8 bytes a value with exact sums
        self.assertEqual(sent["fedavg"], 2 * 8 * state + once)
        self.assertEqual(sent["scaffold"], 2 * 8 * (state + parameters) + once)
        self.assertEqual(sent["fednova"], 2 * 8 * (state + 1) + once)
        self.assertEqual(sent["fedbn"], 2 * 8 * (state - norms) + once)
        self.assertEqual(sent["cyclic"], 2 * 8 * state)
        self.assertEqual(sent["local"], 0)

    def test_keys_of_another_method_are_refused(self):
        result = train(
            support.federation(),
            self.folder / "run",
            *TINY,
            "--algorithm.name",
            "fedavg",
            "--algorithm.mu",
            1,
        )
        self.fails(result, 2, "algorithm.mu", "fedprox", "fedavg")
        result = train(support.federation(), self.folder / "run", *TINY, "--algorithm.name", "fedproxy")
        self.fails(result, 2, "fedproxy", "Did you mean 'fedprox'?")

    def test_what_lies_outside_a_theory_is_said_once(self):
        for method, texts, arguments in (
            ("fednova", ("Adam", "theory"), ("--train.optimizer", "adam")),
            ("fedbn", ("batch-stateless", "FedAvg"), ("--model.norm", "batch-stateless")),
            ("scaffold", ("plain SGD",), ("--train.optimizer", "sgd", "--train.momentum", 0.9)),
            ("fedavg", ("model.buffers",), ("--model.buffers", "local")),
        ):
            with self.subTest(method):
                result = self.succeeds(
                    train(
                        support.federation(),
                        self.folder / method,
                        *support.TINY,
                        "--run.rounds",
                        2,
                        "--algorithm.name",
                        method,
                        *arguments,
                        ranks=2,
                    )
                )
                said = [line for line in warnings(result) if "share" not in line]
                self.assertEqual(len(said), 1, result)
                for text in texts:
                    self.assertIn(text, said[0])

    def test_within_a_theory_nothing_is_said(self):
        for method in ("fednova", "scaffold", "fedbn", "feddyn"):
            result = self.succeeds(
                train(support.federation(), self.folder / method, *TINY, "--algorithm.name", method)
            )
            self.assertEqual(warnings(result), [], method)


class Personal(support.ProgramTest):
    """Methods that evaluate each client with a part of the model of its own."""

    def trained(self, method, *arguments):
        folder = self.folder / method
        self.succeeds(
            train(
                support.federation(),
                folder,
                *TINY,
                "--train.lr",
                0.3,
                "--train.local_epochs",
                3,
                "--model.norm",
                "batch",
                "--algorithm.name",
                method,
                *arguments,
            )
        )
        return folder

    def evaluate(self, folder, shards, **options):
        table = self.folder / "table.json"
        result = harmofl(
            "evaluate", "--checkpoint", folder / "best.h5", "--shards", shards, "--output", table, **options
        )
        return result, table

    def test_best_models_score_as_in_the_run_on_any_number_of_ranks(self):
        for method, arguments in (
            ("fedbn", ()),
            ("ditto", ()),
            ("fedavg", ("--model.buffers", "local")),
            ("fedprox", ("--model.buffers", "recompute")),
        ):
            folder = self.trained(method, *arguments)
            expected = summary(folder)["test"]["sites"]
            for ranks in (None, 2):
                with self.subTest(method, ranks=ranks):
                    result, table = self.evaluate(folder, support.federation(), ranks=ranks)
                    self.succeeds(result)
                    for site, row in json.loads(table.read_text()).items():
                        for name, value in row.items():
                            self.assertAlmostEqual(value, expected[site][name], delta=1e-6)

    def test_a_site_that_was_not_trained_with_has_no_layers(self):
        folder = self.trained("fedbn")
        more = support.synthesize(self.folder / "more", sites=4)
        result, _ = self.evaluate(folder, more)
        self.fails(result, 1, "best.h5", "site_3", "site_0")


class Networks(support.ProgramTest):
    def test_each_trains_and_comes_back_from_its_checkpoint(self):
        for name, shards in (
            ("densenet121", "classification"),
            ("densenet121-plain", "classification"),
            ("resnet18", "classification"),
            ("cnn", "classification"),
            ("unet", "segmentation"),
        ):
            with self.subTest(name):
                federation = support.federation(shards)
                result = train(
                    federation, self.folder / name, *TINY, "--model.name", name, "--algorithm.name", "fedavg"
                )
                self.succeeds(result)
                self.succeeds(
                    harmofl(
                        "evaluate", "--checkpoint", self.folder / name / "best.h5", "--shards", federation
                    )
                )

    def test_width_and_norm_follow_the_network_unless_given(self):
        config = self.folder / "resnet18" / "config.ini"
        self.succeeds(
            train(
                support.federation("classification"),
                config.parent,
                "--run.rounds",
                1,
                "--model.name",
                "resnet18",
                "--model.width",
                4,
                "--algorithm.name",
                "fedavg",
            )
        )
        self.assertIn("norm = group", config.read_text())
        self.assertIn("width = 4", config.read_text())


class Drift(support.ProgramTest):
    def test_is_measured_in_further_rounds_of_a_run_at_any_number_of_ranks(self):
        texts = set()
        for ranks in (1, 2, 3):
            output = self.folder / f"ranks{ranks}"
            self.succeeds(
                harmofl(
                    "analyse",
                    "drift",
                    "--checkpoint",
                    support.trained() / "checkpoint.h5",
                    "--shards",
                    support.federation(),
                    "--rounds",
                    2,
                    "--output",
                    output,
                    ranks=ranks,
                )
            )
            texts.add((output / "drift.csv").read_text())
        self.assertEqual(len(texts), 1)
        found = json.loads((output / "drift.json").read_text())
        self.assertEqual([row["round"] for row in found["rows"]], [2, 2, 2, 3, 3, 3])
        for rows in (found["rows"][:3], found["rows"][3:]):
            gamma = sum(row["drift"] for row in rows) / 3
            for row in rows:
                self.assertAlmostEqual(row["gamma"], gamma, places=12)
                self.assertGreater(row["drift"], 0)
                self.assertAlmostEqual(row["cosine_" + row["site"]], 1, places=6)

    def test_is_that_of_the_run_itself(self):
        run = self.folder / "run"
        self.succeeds(train(support.federation(), run, *TINY, "--algorithm.name", "fedavg", "--run.measure"))
        self.succeeds(
            harmofl(
                "analyse",
                "drift",
                "--fresh",
                "--rounds",
                2,
                "--checkpoint",
                run / "checkpoint.h5",
                "--shards",
                support.federation(),
            )
        )
        measured = json.loads((run / "drift.json").read_text())["rows"]
        written = [line for line in support.metrics(run) if line["split"] == "train"]
        self.assertEqual(len(measured), len(written))
        for row, line in zip(measured, written):
            self.assertEqual((row["round"], row["site"]), (line["round"], line["site"]))
            self.assertEqual((row["drift"], row["gradient_norm"]), (line["drift"], line["gradient_norm"]))

    def test_of_one_step_is_the_square_of_the_update_whatever_is_sent(self):
        for method in ("fedavg", "fednova", "fedbn", "scaffold"):
            run = self.folder / method
            self.succeeds(
                train(
                    support.federation(),
                    run,
                    "--run.rounds",
                    1,
                    "--model.width",
                    2,
                    "--data.batch_size",
                    8,
                    "--train.optimizer",
                    "sgd",
                    "--train.momentum",
                    0,
                    "--train.weight_decay",
                    0,
                    "--model.norm",
                    "batch",
                    "--algorithm.name",
                    method,
                )
            )
            self.succeeds(
                harmofl(
                    "analyse",
                    "drift",
                    "--rounds",
                    2,
                    "--checkpoint",
                    run / "checkpoint.h5",
                    "--shards",
                    support.federation(),
                )
            )
            for row in json.loads((run / "drift.json").read_text())["rows"]:
                ratio = row["drift"] / row["update_norm"] ** 2
                self.assertAlmostEqual(ratio, 1, delta=1e-5, msg=method)

    def test_needs_the_state_of_a_run(self):
        result = harmofl(
            "analyse",
            "drift",
            "--checkpoint",
            support.trained() / "best.h5",
            "--shards",
            support.federation(),
            "--output",
            self.folder,
        )
        self.fails(result, 1, "best.h5", "checkpoint.h5")


if __name__ == "__main__":
    support.main()
