# SPDX-License-Identifier: Apache-2.0
"""What a cluster adds to training: sums over ranks and waiting for one another."""

import json
import os
import statistics
import subprocess
import sys

from .figures import figure
from .programs import BUILD, mpirun, rounds, run, synthesize, train

CNN = (
    "--algorithm.name",
    "fedavg",
    "--train.optimizer",
    "sgd",
    "--train.momentum",
    "0",
    "--data.batch_size",
    "10",
    "--data.augment",
    "false",
    "--device.threads",
    "1",
)


def allreduce_rows(name, ranks, command, goal, other):
    """A transport's bandwidth over that of another way to the same sum, so that high is good."""
    found = json.loads(run(mpirun(ranks, *command)))
    transport = found.pop("transport")
    for kind, times in found.items():
        yield figure(
            f"{name} {kind}",
            times["ours_s"],
            times["bare_s"],
            goal,
            "s",
            f"bandwidth of {times['bytes']} bytes on {ranks} ranks by {transport} against {other}",
            better="high",
        )


def allreduce(quick, _):
    """The transport against a bare MPI_Allreduce."""
    values, repeats = (100_000, 3) if quick else (7_800_000, 21)
    yield from allreduce_rows(
        "allreduce",
        min(2, os.cpu_count()),
        (BUILD / "bench/bench_allreduce", values, repeats),
        ">= 0.9",
        "MPI_Allreduce",
    )


def aggregate(quick, folder):
    """The share of a round that the sum over ranks takes, for the U-Net of 7.8 M parameters."""
    synthesize(folder / "unet", 2, 8 if quick else 16, "32x32" if quick else "256x256", "segmentation")
    width = 4 if quick else 32
    for reduce in ("fast", "exact"):
        output = folder / f"unet-{reduce}"
        run(
            mpirun(
                2,
                *train(
                    folder / "unet",
                    output,
                    "--model.width",
                    width,
                    "--algorithm.name",
                    "harmofl",
                    "--data.batch_size",
                    4,
                    "--run.rounds",
                    3 if quick else 9,
                    "--comm.reduce",
                    reduce,
                    "--model.memory_format",
                    "channels-last",
                    "--device.threads",
                    1,
                    "--run.save_every",
                    1000,
                ),
            )
        )
        lines = rounds(output)[1:-1]
        yield figure(
            f"aggregate {reduce}",
            [line["phases"]["aggregate"]["max"] for line in lines],
            [line["seconds"] for line in lines],
            None,
            "s",
            f"seconds of a round spent aggregating, of its seconds; U-Net {width}, 2 ranks",
        )


def weak(quick, folder):
    """Two ranks against one rank beside another process of the same load: the same work a rank."""
    clients, repeats = (2, 1) if quick else (100, 5)
    synthesize(folder / "one", 1, 10 * clients, "32x32")
    synthesize(folder / "two", 2, 10 * clients, "32x32")
    # Rounds of seconds: ranks meet once a round, and short rounds differ by the machine's jitter.
    common = (
        *CNN,
        "--data.partition",
        "iid",
        "--run.rounds",
        4 if quick else 7,
        "--train.local_epochs",
        1 if quick else 4,
        "--run.save_every",
        1000,
        "--comm.reduce",
        "exact",
        "--comm.placement",
        "samples",
    )
    ours, other = [], []
    for i in range(repeats):
        outputs = [folder / f"alone-{i}-{k}" for k in range(2)]
        processes = [
            subprocess.Popen(
                [str(word) for word in train(folder / "one", output, *common, "--data.clients", clients)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for output in outputs
        ]
        if any(process.wait() != 0 for process in processes):
            sys.exit("a run of one rank failed")
        output = folder / f"together-{i}"
        run(mpirun(2, *train(folder / "two", output, *common, "--data.clients", 2 * clients)))
        medians = [
            statistics.median(line["seconds"] for line in rounds(path)[1:-1]) for path in (*outputs, output)
        ]
        other.append(statistics.fmean(medians[:-1]))
        ours.append(medians[-1])
    yield figure(
        "weak scaling",
        ours,
        other,
        ">= 0.95",
        "s",
        f"seconds of a round of {clients} clients a rank: one rank beside another process "
        "of the same load, over two ranks",
        better="high",
    )
