#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Heart disease at four hospitals: FLamby's published FedAvg to the last patient, and the baselines."""

import functools
import importlib.util
import json

import support
from support import harmofl, run, train

SOURCE = support.SOURCE / "tests/fixtures/heart"
SEED = 42
COLUMNS = (
    "--id-column",
    "id",
    "--numeric",
    "age,sex,trestbps,chol,fbs,thalach,exang,oldpeak",
    "--categorical",
    "cp,restecg",
    "--drop-first",
)
STEPS = (
    "--config",
    support.SOURCE / "jobs/heart.ini",
    "--train.lr",
    0.001,
    "--algorithm.name",
    "fedavg",
)


def report_heart():
    """tools/report_heart.py as a module."""
    spec = importlib.util.spec_from_file_location("report_heart", support.SOURCE / "tools/report_heart.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def data():
    """Shards by both standards and the initial weights, made once; not to be changed."""
    folder = support.shared_folder() / "heart"
    for by in ("site", "all"):
        result = run(
            (
                support.PREPARE,
                "tabular",
                "--input",
                SOURCE / "heart.csv",
                "--output",
                folder / by,
                "--standardise",
                by,
                *COLUMNS,
            )
        )
        assert result.code == 0, result
    report_heart().write_weights(SOURCE / "initial.csv", folder)
    return folder


class Heart(support.ProgramTest):
    def train(self, name, *arguments, ranks=None, resume=()):
        folder = self.folder / name
        seeded = ("--run.seed", SEED, "--model.weights", data() / f"initial-{SEED}.safetensors")
        result = train(data() / "site", folder, *STEPS, *seeded, *arguments, *resume, ranks=ranks)
        self.succeeds(result)
        return folder

    def accuracies(self, folder, by, *arguments):
        output = self.folder / "table.json"
        self.succeeds(
            harmofl(
                "evaluate",
                "--checkpoint",
                folder / "checkpoint.h5",
                "--shards",
                data() / by,
                "--output",
                output,
                *arguments,
            )
        )
        return {site: values["accuracy"] for site, values in json.loads(output.read_text()).items()}

    def patients(self, folder):
        """Patients found right: of the hospitals, and of all together."""
        counts = report_heart().test_counts(SOURCE)
        right = [
            [round(accuracy * n) for accuracy, n in zip(self.accuracies(folder, by).values(), counts)]
            for by in ("site", "all")
        ]
        return [*right[0], sum(right[1])]

    def test_fedavg_is_the_published_one_to_the_last_patient_on_any_number_of_ranks(self):
        tool = report_heart()
        expected = tool.published(SOURCE, tool.test_counts(SOURCE))[SEED, "FedAvg100"]
        folder = self.train("one")
        self.assertEqual(self.patients(folder), expected)
        self.assert_same_tensors(folder / "checkpoint.h5", self.train("two", ranks=2) / "checkpoint.h5")

    def test_steps_go_on_after_a_resume_as_if_never_stopped(self):
        whole = self.train("whole", "--run.rounds", 3, "--cohort.size", 2)
        self.train("parts", "--run.rounds", 2, "--cohort.size", 2, ranks=2)
        parts = self.train("parts", "--run.rounds", 3, "--cohort.size", 2, resume=("--resume",))
        for group in ("model", "clients"):
            self.assert_same_tensors(whole / "checkpoint.h5", parts / "checkpoint.h5", group)

    def test_a_hospital_alone_is_measured_elsewhere_with_its_own_model(self):
        folder = self.folder / "local"
        arguments = ["local" if word == "fedavg" else word for word in STEPS]
        self.succeeds(train(data() / "site", folder, *arguments, "--run.rounds", 2, ranks=2))
        own = self.accuracies(folder, "site")
        everywhere = [self.accuracies(folder, "site", "--site", site) for site in own]
        self.assertEqual([table[site] for table, site in zip(everywhere, own)], list(own.values()))
        self.assertNotEqual(everywhere[0], everywhere[2])
        result = harmofl(
            "evaluate",
            "--checkpoint",
            folder / "checkpoint.h5",
            "--shards",
            data() / "site",
            "--site",
            "basel",
        )
        self.fails(result, 1, "holds no site 'basel'", "cleveland, hungarian, switzerland, va")

    def test_pooled_and_cyclic_are_the_same_on_any_number_of_ranks(self):
        for name, arguments in (
            ("pooled", ("--data.partition", "pooled")),
            ("pieces", ("--data.partition", "pooled", "--train.pieces", 4, "--train.optimizer", "adam")),
            ("cyclic", ("--train.class_weights", "frequency")),
        ):
            with self.subTest(name):
                words = [name if word == "fedavg" and name == "cyclic" else word for word in STEPS]
                for ranks in (1, 3):
                    self.succeeds(
                        train(
                            data() / "all",
                            self.folder / f"{name}-{ranks}",
                            *words,
                            *arguments,
                            "--run.rounds",
                            2,
                            ranks=ranks,
                        )
                    )
                self.assert_same_tensors(
                    self.folder / f"{name}-1" / "checkpoint.h5",
                    self.folder / f"{name}-3" / "checkpoint.h5",
                )


if __name__ == "__main__":
    support.main()
