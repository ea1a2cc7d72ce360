# SPDX-License-Identifier: Apache-2.0
"""Memory of a rank: with many clients, and against what a step needs."""

import json
from dataclasses import dataclass

from .cluster import CNN
from .figures import figure, missing
from .programs import HARMOFL, PEERS, mpirun, peer_python, pinned, rounds, run, synthesize, train


def many_clients(quick, folder):
    """Peak memory of a rank for 2,000 clients against 20 with the same images."""
    train_images = 100 if quick else 500
    synthesize(folder / "many", 4, train_images, "32x32")
    found = {}
    for clients in (20, 4 * train_images):
        output = folder / f"memory-{clients}"
        run(
            mpirun(
                2,
                *train(
                    folder / "many",
                    output,
                    *CNN,
                    "--data.partition",
                    "iid",
                    "--data.clients",
                    clients,
                    "--run.rounds",
                    2,
                ),
            )
        )
        found[clients] = [rounds(output)[-1]["peak_memory_bytes"]["max"]]
    (few, least), (many, most) = found.items()
    return figure(
        "memory",
        most,
        least,
        "flat",
        "bytes",
        f"peak memory of a rank of two: {many} clients over {few} with the same images",
    )


@dataclass(frozen=True)
class Case:
    """A network and a batch of its images."""

    network: str
    width: int
    side: int  # pixels
    batch: int  # images
    task: str


CASES = (
    Case("unet", width=32, side=128, batch=8, task="segmentation"),
    Case("densenet121", width=32, side=96, batch=32, task="classification"),
)
QUICK = (Case("unet", width=4, side=32, batch=4, task="segmentation"),)
# Of the parameters: state, gradients, perturbation, global model, sum, two moments.
COPIES = 7


def peak(shards, output, *arguments):
    """Most memory of a run of one rank before it evaluates, and its number of parameters."""
    run(
        pinned(
            1,
            *train(
                shards,
                output,
                "--run.rounds",
                3,
                "--run.save_every",
                100_000,
                "--device.threads",
                1,
                "--run.save_initial",
                "true",
                *arguments,
            ),
        )
    )
    parameters = json.loads((output / "run.json").read_text())["model_parameters"]
    return rounds(output)[1]["peak_memory_bytes"]["max"], parameters


def of_a_step(case, folder, base):
    """A row: a rank that trains one client of one batch, against what can be accounted for."""
    name = case.network
    shards, output = folder / f"memory-{name}", folder / f"memory-run-{name}"
    synthesize(shards, 1, case.batch, f"{case.side}x{case.side}", case.task)
    whole, parameters = peak(
        shards,
        output,
        "--algorithm.name",
        "harmofl",
        "--model.name",
        name,
        "--model.width",
        case.width,
        "--data.batch_size",
        case.batch,
        "--model.memory_format",
        "channels-last",
    )
    weights = folder / f"memory-{name}.safetensors"
    run((HARMOFL, "export", "--checkpoint", output / "initial.h5", "--output", weights))
    python, environment = peer_python()
    if python is None:
        return missing(f"memory of a step, {name}", environment)
    words = {
        "network": name,
        "width": case.width,
        "shard": shards / "site_0.h5",
        "weights": weights,
        "batch": case.batch,
        "threads": 1,
    }
    kept = int(run((python, PEERS / "saved.py", *(f"{k}={v}" for k, v in words.items())), env=environment))
    # Bytes as stored, floats, floats normalised.
    images = case.batch * 3 * case.side * case.side * (1 + 2 * 4)
    accounted = base + COPIES * 4 * parameters + images + kept
    return figure(
        f"memory of a step, {name}",
        [whole],
        [accounted],
        None,
        "bytes",
        f"peak of a rank over the sum of: an empty run {base / 2**20:.0f} MiB, {COPIES} "
        f"times the parameters {COPIES * 4 * parameters / 2**20:.0f}, the batch "
        f"{images / 2**20:.0f}, what PyTorch keeps for a backward pass {kept / 2**20:.0f}",
    )


def memory(quick, folder):
    yield many_clients(quick, folder)
    synthesize(folder / "memory-base", 1, 4, "16x16")
    base, _ = peak(
        folder / "memory-base", folder / "memory-run-base", "--model.width", 1, "--data.batch_size", 4
    )
    for case in QUICK if quick else CASES:
        yield of_a_step(case, folder, base)
