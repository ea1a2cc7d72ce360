#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is known before and while a run goes on: the plan, the time left, divergence, the table."""

import json
import re
import shutil
import sys
from unittest import mock

import support
from support import harmofl, train

FAST = ("--model.width", 2, "--data.batch_size", 4, "--algorithm.name", "fedavg")


def uneven(folder):
    """Three sites of 11, 7 and 5 training images."""
    result = harmofl(
        *("synthesize", "--output", folder, "--sites", 3, "--size", "32x32"),
        *("--train", "11,7,5", "--val", "3,2,4", "--test", "3,1,2"),
    )
    assert result.code == 0, result
    return folder


class Plan(support.ProgramTest):
    def setUp(self):
        super().setUp()
        self.shards = uneven(self.folder / "shards")

    def plan(self, *arguments, ranks=None, timed=False):
        dry = "--dry-run=time" if timed else "--dry-run"
        result = self.succeeds(train(self.shards, self.folder / "run", *FAST, dry, *arguments, ranks=ranks))
        self.assertFalse((self.folder / "run").exists())
        return result.stderr

    def test_counts_images_steps_and_bytes(self):
        text = self.plan("--train.local_epochs", 2, "--run.rounds", 10, "--run.evaluate_every", 4)
        # Batches of 4: 3 + 2 + 2 steps an epoch.
        self.assertIn("a round trains 3 clients on 46 images in 14 steps; the busiest rank 3 on 46", text)
        self.assertIn("an evaluation takes 15 images, in 3 of 10 rounds", text)
        self.assertIn("without what its steps need (--dry-run=time measures that)", text)
        self.assertNotIn("hours", text)

    def test_counts_what_a_truncated_round_on_two_ranks_takes(self):
        text = self.plan("--data.truncate", ranks=2)
        self.assertIn("3 clients on 15 images in 6 steps; the busiest rank 2 on 10 in 4", text)

    def test_counts_cohorts(self):
        text = self.plan("--data.partition", "iid", "--data.clients", 4, "--cohort.size", 2)
        self.assertRegex(text, r"a round trains 2 clients on 1[12] images in \d steps")

    def test_a_client_sends_what_the_plan_says(self):
        text = self.plan()
        self.succeeds(train(self.shards, self.folder / "run", *FAST, "--run.rounds", 1))
        sent = support.json_lines(self.folder / "run/rounds.jsonl")[0]["sent_bytes"]
        self.assertIn(f"a client is sent {sent / 1024:.1f} KiB a round and sends as much", text)
        self.assertIn(f"all together send {3 * sent / 1024:.1f} KiB a round", text)

    def test_times_steps_on_any_number_of_ranks_and_residence(self):
        for ranks, residence in ((None, "memory"), (2, "stream"), (4, "stream")):
            with self.subTest(ranks=ranks):
                text = self.plan("--data.residence", residence, ranks=ranks, timed=True)
                self.assertRegex(text, r"a step of 4 images: \S+ m?s \(.* in three turns\)")
                self.assertRegex(text, r"a round: .* = training .*, aggregation .*, evaluation ")
                self.assertRegex(text, r"10 rounds: .* \(\d+\.\d\d hours\)")

    def test_counts_lanes(self):
        text = self.plan("--device.lanes", 2, "--device.threads", 1)
        self.assertRegex(text, r", the models of 1 further lane\(s\) \S+ \S+ each, still to come")
        text = self.plan("--device.lanes", 2, "--device.threads", 1, timed=True)
        self.assertRegex(text, r"a step of 4 images in each of 2 lanes: \S+ m?s")
        self.assertNotIn("lane", self.plan("--device.lanes", 1))

    def client_steps(self, *arguments, ranks=None):
        """Client steps of each round, as the plan has them and as the run recorded them."""
        words = (*FAST, "--run.rounds", 3, *arguments)
        said = self.succeeds(train(self.shards, self.folder / "run", *words, "--dry-run=json", ranks=ranks))
        plan = json.loads(said.stdout)
        self.assertEqual(
            plan["measure"], {"name": "dice", "lower_is_better": False, "may_be_undefined": False}
        )
        self.succeeds(train(self.shards, self.folder / "run", *words, ranks=ranks))
        recorded = [line["client_steps"] for line in support.json_lines(self.folder / "run/rounds.jsonl")]
        shutil.rmtree(self.folder / "run")
        self.assertEqual(plan["client_steps"], recorded, arguments)
        return recorded

    def test_client_steps_are_what_the_run_records(self):
        # Batches of 4: 3 + 2 + 2 steps an epoch.
        for factor, arguments in (
            (1, ()),
            (2, ("--algorithm.name", "harmofl")),
            (2, ("--algorithm.name", "fedsam", "--train.pieces", 1)),
            (2, ("--algorithm.name", "ditto")),
            (4, ("--algorithm.name", "ditto", "--perturbation.alpha", 0.05)),
            (2, ("--train.local_epochs", 2)),
        ):
            words = FAST[:-2] if "--algorithm.name" in arguments else FAST
            with self.subTest(arguments=arguments), mock.patch.object(sys.modules[__name__], "FAST", words):
                self.assertEqual(self.client_steps(*arguments), [7 * factor] * 3)

    def test_client_steps_follow_cohorts_and_lost_clients(self):
        self.assertEqual(self.client_steps("--train.local_steps", 5, ranks=2), [15] * 3)
        self.client_steps("--cohort.size", 1)
        pooled = (
            "--data.partition",
            "pooled",
            "--train.pieces",
            2,
        )  # 23 images, whose steps two ranks take together
        self.assertEqual(self.client_steps(*pooled, ranks=2), [6] * 3)
        lossy = ("--fleet.drop_before", 0.3, "--fleet.drop_after", 0.3)
        self.assertTrue(all(steps <= 7 for steps in self.client_steps(*lossy, ranks=2)))

    def test_refuses_another_dry_run(self):
        result = train(self.shards, self.folder / "run", "--dry-run=fast")
        self.fails(result, 2, "--dry-run=fast is unknown", "--dry-run=time")


class Progress(support.ProgramTest):
    def test_rounds_say_how_long_the_rest_takes_and_the_end_shows_each_site(self):
        folder = self.folder / "run"
        result = self.succeeds(train(support.federation(), folder, *support.LEARNS, "--run.rounds", 3))
        rounds = re.findall(r"^round \d .*", result.stderr, re.MULTILINE)
        self.assertEqual([" eta " in line for line in rounds], [True, True, False], result)
        found = support.summary(folder)
        self.assertIn(f"best round {found['best_round']} of each site", result.stderr)
        for site, values in found["val"]["sites"].items():
            row = re.search(rf"^  {site} .*", result.stderr, re.MULTILINE)[0].split()[1:]
            expected = [values[name] for name in sorted(values)]
            expected += [found["test"]["sites"][site][name] for name in sorted(found["test"]["sites"][site])]
            self.assertEqual(row, [f"{value:.4f}" for value in expected])

    def test_a_run_that_diverges_is_said_to(self):
        result = self.succeeds(
            train(
                support.federation(),
                self.folder / "run",
                *(*FAST, "--train.optimizer", "sgd", "--train.lr", 3000),
                *("--train.momentum", 0, "--run.rounds", 3),
            )
        )
        warnings = [line for line in result.stderr.splitlines() if "the run diverges" in line]
        self.assertEqual(len(warnings), 1, result)
        self.assertIn("Lower --train.lr", warnings[0])
        for line in re.findall(r"^round \d .*", result.stderr, re.MULTILINE):
            if "val dice 0.0000" in line:
                self.assertNotIn("(best)", line)


if __name__ == "__main__":
    support.main()
