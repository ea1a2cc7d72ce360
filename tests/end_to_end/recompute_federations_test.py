#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/recompute_rounds.py: plain PyTorch comes to what `harmofl train` came to with cohorts,
partitions, simulated devices, shuffled and augmented epochs, and updates that are left out."""

import functools
import re

import recomputation
import support
from recomputation import needs_pytorch

CLASSES = ("--sites", 5, "--train", 24, "--val", 2, "--test", 2, "--size", "16x16", "--unequal")
COMMON = {
    "run.rounds": 3,
    "run.evaluate_every": 100,
    "data.batch_size": 4,
    "model.width": 4,
    "model.norm": "group",
    "train.optimizer": "sgd",
    "train.lr": 0.05,
}
PLAIN = {"train.momentum": 0}  # what SCAFFOLD and FedDyn are derived for


@functools.cache
def shards(task):
    """Sites of 24, 12, 8, 6, 4 training images, made once; not to be changed."""
    folder = support.shared_folder() / f"unequal-{task}"
    result = support.harmofl("synthesize", "--output", folder, "--task", task, *CLASSES)
    assert result.code == 0, result
    return folder


def case(method, **arguments):
    """Arguments of a run; an underscore for each dot, two for each underscore."""
    keys = {
        key.replace("__", "-").replace("_", ".").replace("-", "_"): value for key, value in arguments.items()
    }
    return {**COMMON, "algorithm.name": method, **keys}


@needs_pytorch
class RecomputeCohorts(recomputation.RecomputedTest):
    def test_drawn_alike_or_by_samples(self):
        self.assert_agree(
            shards("classification"),
            {
                "uniform": case("fedavg", cohort_size=2, data_weights="samples"),
                "weighted": case("fedavg", cohort_size=3, cohort_sampling="weighted"),
            },
        )

    def test_fixed_and_over_sampled(self):
        runs = self.assert_agree(
            shards("classification"),
            {
                "fixed": case("fedprox", algorithm_mu=0.5, cohort_size=2, cohort_sampling="fixed"),
                "over": case("fedavg", cohort_size=2, cohort_over__sampling=1.5),
            },
        )
        self.assertIn('"surplus":1', (runs["over"] / "rounds.jsonl").read_text())

    def test_state_of_clients_that_take_part_now_and_then(self):
        self.assert_agree(
            shards("classification"),
            {
                "scaffold": case("scaffold", cohort_size=2, run_rounds=4, **PLAIN),
                "ditto": case("ditto", cohort_size=2, run_rounds=4),
            },
        )


@needs_pytorch
class RecomputePartitions(recomputation.RecomputedTest):
    def test_equal_and_skewed_by_labels(self):
        self.assert_agree(
            shards("classification"),
            {
                "iid": case("fedavg", data_partition="iid", data_clients=4),
                "dirichlet": case(
                    "feddyn",
                    algorithm_a=0.1,
                    data_partition="dirichlet",
                    data_clients=6,
                    cohort_size=3,
                    data_weights="samples",
                    **PLAIN,
                ),
            },
        )

    def test_unequal_and_by_patient(self):
        self.assert_agree(
            shards("classification"),
            {
                "quantity": case("fedavg", data_partition="quantity", data_clients=5, data_weights="samples"),
                "patient": case("moon", data_partition="patient", cohort_size=4),
            },
        )


@needs_pytorch
class RecomputeSteps(recomputation.RecomputedTest):
    def test_batches_that_go_on_from_round_to_round(self):
        self.assert_agree(
            shards("classification"),
            {
                "cohorts": case("fedprox", cohort_size=2, run_rounds=4, train_local__steps=4),
                "weighted": case("fedavg", cohort_size=3, cohort_sampling="weighted", train_local__steps=3),
            },
        )

    def test_losses(self):
        self.assert_agree(
            shards("classification"),
            {
                "focal": case("fedavg", train_loss="focal", train_focal__gamma=1.5),
                "weights": case("fedavg", train_loss="focal", train_class__weights="1,3"),
                "entropy": case("fedavg", train_class__weights="0.5,2"),
            },
        )


@needs_pytorch
class RecomputeEpochs(recomputation.RecomputedTest):
    """Each local epoch has an order and turns of its own."""

    def test_orders_of_classified_images(self):
        self.assert_agree(
            shards("classification"),
            {
                "shuffled": case("fedavg", train_local__epochs=3, data_augment="false"),
                "truncated": case("fedavg", train_local__epochs=2, data_truncate="true"),
            },
        )

    def test_masks_turn_with_their_images(self):
        self.assert_agree(
            shards("segmentation"),
            {
                "masks": case("fedavg", train_local__epochs=2, run_rounds=1, model_width=2),
            },
        )


@needs_pytorch
class RecomputeDevices(recomputation.RecomputedTest):
    DEVICES = {
        "fleet.speed": "lognormal:0,0.5",
        "fleet.bandwidth": "choice:1,10",
        "fleet.latency": "uniform:0.1,0.5",
        "fleet.availability": 0.8,
        "fleet.sample_time": 0.05,
        "fleet.drop_before": 0.2,
        "fleet.drop_after": 0.2,
    }

    def test_lost_updates(self):
        runs = self.assert_agree(
            shards("classification"),
            {
                "deadline": {
                    **case(
                        "scaffold",
                        run_rounds=8,
                        cohort_size=3,
                        cohort_over__sampling=1.6,
                        fleet_deadline=1.5,
                        **PLAIN,
                    ),
                    **self.DEVICES,
                },
                "everyone": {**case("fednova", run_rounds=4), **self.DEVICES},
            },
        )
        lines = "".join((run / "rounds.jsonl").read_text() for run in runs.values())
        for reason in ("unavailable", "dropped_before", "straggler", "dropped_after"):
            self.assertIn(f'"{reason}"', lines)


@needs_pytorch
class RecomputeLeftOut(recomputation.RecomputedTest):
    """Updates that are not finite do not count, and their clients start anew."""

    def setUp(self):
        super().setUp()
        self.shards = self.folder / "shards"
        self.succeeds(
            support.harmofl("synthesize", "--output", self.shards, "--task", "classification", *CLASSES)
        )
        for site in range(3):
            self.spoil(self.shards / f"site_{site}.h5", images=2)

    def spoil(self, path, images):
        """Makes the first training images infinite once they are divided by intensity_scale: with
        data.truncate a round has one of them, or none."""
        scale = 1e-3
        for split in ("train", "val", "test"):
            with support.h5(path, "r+") as file:
                values = file[f"{split}/images"][()].astype("float32") / 255 * scale
                if split == "train":
                    values[:images] = 3e38
                del file[f"{split}/images"]
                file.create_dataset(
                    f"{split}/images", data=values, fletcher32=True, chunks=(1, *values.shape[1:])
                ).attrs["xxh3"] = "0" * 32
                file.attrs["intensity_scale"] = scale
        for _ in range(3):  # a split a time
            error = support.harmofl("inspect", path).stderr
            name, found = re.search(r"(/\w+/images).*, found ([0-9a-f]{32})", error).groups()
            with support.h5(path, "r+") as file:
                file[name].attrs["xxh3"] = found

    def test_what_a_client_kept_is_forgotten(self):
        arguments = {"train.nonfinite": "leave-out", "data.truncate": "true", "run.rounds": 6}
        runs = self.assert_agree(
            self.shards,
            {
                "moon": {**case("moon"), **arguments},
                "scaffold": {**case("scaffold", **PLAIN), **arguments},
            },
        )
        for run in runs.values():
            lost = [line["lost"].get("not_finite", 0) for line in support.json_lines(run / "rounds.jsonl")]
            self.assertNotEqual(lost, sorted(lost), "none of them counted again: no test")


if __name__ == "__main__":
    support.main()
