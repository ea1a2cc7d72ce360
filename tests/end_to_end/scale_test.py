#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many clients: partitions, cohorts, simulated devices, and memory that does not grow with them."""

import csv
import json

import support
from support import harmofl

SMALL = ("--model.width", 2, "--data.batch_size", 4, "--comm.reduce", "exact")


def rounds(folder):
    return [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


class Partitions(support.ProgramTest):
    """Images of a few shards dealt to other clients than their sites."""

    def train(self, name, kind, *arguments, ranks=None, method="fedavg"):
        folder = self.folder / name
        result = support.train(
            support.federation("classification"),
            folder,
            *SMALL,
            "--algorithm.name",
            method,
            "--run.rounds",
            3,
            "--data.partition",
            kind,
            *arguments,
            ranks=ranks,
        )
        self.succeeds(result)
        return folder

    def test_every_kind_gives_the_same_run_on_one_and_two_ranks(self):
        for kind, clients in (("iid", 6), ("dirichlet", 6), ("quantity", 5)):
            with self.subTest(kind=kind):
                made = ("--data.clients", clients)
                one = self.train(f"{kind}-1", kind, *made)
                two = self.train(f"{kind}-2", kind, *made, ranks=2)
                self.assert_same_tensors(one / "checkpoint.h5", two / "checkpoint.h5")
                rows = table(one / "partition.csv")
                self.assertEqual(rows, table(two / "partition.csv"))
                self.assertEqual(len({row["client"] for row in rows}), clients)
                # 3 sites of 8 + 4 + 4 images, each with one client
                self.assertEqual(len(rows), 48)
                self.assertEqual(len({(row["site"], row["split"], row["id"]) for row in rows}), 48)

    def test_models_are_measured_on_sites_where_clients_were_made(self):
        folder = self.train("run", "iid", "--data.clients", 6)
        measured = {line["site"] for line in support.metrics(folder) if line["split"] == "test"}
        trained = {line["site"] for line in support.metrics(folder) if line["split"] == "train"}
        self.assertEqual(measured, {"site_0", "site_1", "site_2"})
        self.assertEqual(len(trained), 6)

    def test_clients_with_a_model_of_their_own_are_measured_with_it(self):
        folder = self.train("run", "iid", "--data.clients", 3, method="ditto")
        measured = {line["site"] for line in support.metrics(folder) if line["split"] == "test"}
        self.assertEqual(measured, {"client_0000", "client_0001", "client_0002"})

    def test_a_run_goes_on_only_with_the_partition_that_it_began_with(self):
        folder = self.train("run", "iid", "--data.clients", 4)
        again = ("train", "--config", folder / "config.ini", "--resume", "--run.rounds")
        self.succeeds(harmofl(*again, 4))
        lines = (folder / "partition.csv").read_text().splitlines()
        lines[1], lines[-1] = lines[-1], lines[1]
        (folder / "partition.csv").write_text("\n".join(lines) + "\n")
        self.fails(harmofl(*again, 5, ranks=2), 1, "partition.csv")

    def test_what_cannot_be_dealt_is_refused(self):
        for code, arguments in (
            (1, ("iid", "--data.clients", 0)),
            (1, ("iid", "--data.clients", 25)),
            (2, ("dirichlet", "--data.clients", 4, "--data.partition_alpha", 0)),
        ):
            with self.subTest(arguments=arguments):
                result = support.train(
                    support.federation("classification"),
                    self.folder / "run",
                    *SMALL,
                    "--data.partition",
                    *arguments,
                    ranks=2,
                )
                self.fails(result, code)


class Cohorts(support.ProgramTest):
    """Rounds in which some of the clients take part, on devices that are slow or lost."""

    def train(self, name, *arguments, rounds=3, **options):
        folder = self.folder / name
        result = support.train(
            support.federation("classification"),
            folder,
            *SMALL,
            "--algorithm.name",
            "fedavg",
            "--run.rounds",
            rounds,
            "--data.partition",
            "iid",
            "--data.clients",
            8,
            "--cohort.size",
            3,
            *arguments,
            **options,
        )
        self.succeeds(result)
        return folder

    def test_a_round_trains_as_many_as_were_asked_for(self):
        folder = self.train("run", ranks=2)
        for line in rounds(folder):
            self.assertEqual((line["clients"], line["counted"], line["lost"]), (3, 3, {}))
            self.assertEqual(line["simulated_seconds"], 0)
            self.assertGreater(line["phases"]["train"]["max"], 0)
            self.assertGreater(line["peak_memory_bytes"]["mean"], 0)
        cohorts = [
            {
                entry["site"]
                for entry in support.metrics(folder)
                if entry["split"] == "train" and entry["round"] == i
            }
            for i in range(3)
        ]
        self.assertTrue(all(len(cohort) == 3 for cohort in cohorts))
        self.assertGreater(len(set().union(*cohorts)), 3)  # not the same three in every round

    def test_the_log_says_how_long_a_round_took_on_the_devices(self):
        arguments = (*SMALL, "--algorithm.name", "fedavg", "--run.rounds", 2)
        for devices, texts in ((("--fleet.sample_time", 0.5), 2), ((), 0)):
            with self.subTest(devices=devices):
                folder = self.folder / f"run-{texts}"
                result = self.succeeds(
                    support.train(support.federation("classification"), folder, *arguments, *devices)
                )
                said = [line for line in result.stderr.splitlines() if line.startswith("round ")]
                self.assertEqual(len(said), 2)
                self.assertEqual(sum(" simulated" in line for line in said), texts, said)

    def test_losses_are_the_same_on_any_number_of_ranks_and_after_a_resume(self):
        devices = (
            "--cohort.over_sampling",
            1.5,
            "--fleet.speed",
            "lognormal:0,1",
            "--fleet.bandwidth",
            "1",
            "--fleet.sample_time",
            0.5,
            "--fleet.deadline",
            4,
            "--fleet.availability",
            "0.9",
            "--fleet.drop_after",
            0.3,
        )

        def decided(folder):
            keys = ("round", "clients", "counted", "lost", "simulated_seconds")
            return [{key: line[key] for key in keys} for line in rounds(folder)]

        one = self.train("one", *devices, rounds=6)
        two = self.train("two", *devices, rounds=6, ranks=2)
        parts = self.train("parts", *devices, rounds=2, ranks=2)
        self.succeeds(harmofl("train", "--config", parts / "config.ini", "--resume", "--run.rounds", 6))
        self.assertTrue(any(line["lost"] for line in rounds(one)))
        self.assertTrue(all(line["simulated_seconds"] > 0 for line in rounds(one)))
        for other in (two, parts):
            self.assertEqual(decided(one), decided(other))
            self.assert_same_tensors(one / "checkpoint.h5", other / "checkpoint.h5")
            self.assertEqual(support.summary(one), support.summary(other))
        self.assertEqual(len(table(one / "fleet.csv")), 8)

    def test_a_table_of_devices_is_used_and_a_bad_one_refused(self):
        devices = self.folder / "devices.csv"
        lines = [f"client_{i:04},{0.5 if i else 2}" for i in range(8)]
        devices.write_text("client,speed\n" + "\n".join(lines) + "\n")
        folder = self.train("run", "--fleet.table", devices, "--fleet.sample_time", 1)
        self.assertEqual({row["speed"] for row in table(folder / "fleet.csv")}, {"0.5", "2"})
        again = ("train", "--config", folder / "config.ini", "--resume", "--run.rounds")
        self.succeeds(harmofl(*again, 4))
        devices.write_text(devices.read_text().replace("client_0003,0.5", "client_0003,0.7"))
        self.fails(harmofl(*again, 5, ranks=2), 1, "fleet.csv", "fleet.table")
        (folder / "fleet.csv").unlink()  # nothing is taken for the same because it cannot be read
        self.fails(harmofl(*again, 5, ranks=2), 1, "fleet.csv: cannot be read (there is no such file)")
        devices.write_text(devices.read_text().replace("client_0003", "client_9999"))
        result = support.train(
            support.federation("classification"),
            self.folder / "bad",
            *SMALL,
            "--data.partition",
            "iid",
            "--data.clients",
            8,
            "--fleet.table",
            devices,
            ranks=2,
        )
        self.fails(result, 1, devices, "client_9999")


class ManyClients(support.ProgramTest):
    """As many images, held by 20 or by 2,000 clients of two ranks."""

    def peak(self, clients, *arguments):
        folder = self.folder / f"run-{clients}"
        self.succeeds(
            support.train(
                self.shards,
                folder,
                "--algorithm.name",
                "fedavg",
                "--data.partition",
                "iid",
                "--data.clients",
                clients,
                "--cohort.size",
                20,
                "--run.rounds",
                2,
                "--data.batch_size",
                10,
                "--train.optimizer",
                "sgd",
                *arguments,
                ranks=2,
            )
        )
        return rounds(folder)[-1]["peak_memory_bytes"]["max"]

    def test_a_rank_needs_no_more_memory_for_a_hundred_times_the_clients(self):
        self.shards = self.folder / "shards"
        self.succeeds(
            harmofl(
                "synthesize",
                "--output",
                self.shards,
                "--task",
                "classification",
                "--sites",
                4,
                "--train",
                500,
                "--val",
                4,
                "--test",
                4,
                "--size",
                "16x16",
            )
        )
        few = self.peak(20)
        many = self.peak(2000)
        self.assertLess(many, 1.1 * few, f"20 clients: {few} bytes, 2,000: {many}")


if __name__ == "__main__":
    support.main()
