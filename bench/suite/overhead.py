# SPDX-License-Identifier: Apache-2.0
"""What a round costs beside its steps: `harmofl train` against a bare loop over ready batches.

Both are of the same build: bench_bare_round has the network's passes, the perturbation and the
optimiser, on float batches in memory. harmofl loads, shuffles, augments, aggregates, records, and
saves every ten rounds; it is timed from one line of rounds.jsonl to the next, so that nothing is
left out, and stopped there while the bare loop runs a round.
"""

import json
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

from .figures import figure
from .programs import BUILD, CORES, Refused, Worker, chosen, pinned, run, synthesize, train

SAVE_EVERY = 10  # rounds, harmofl's default


@dataclass(frozen=True)
class Case:
    """A federation and how long it is trained."""

    name: str
    network: str
    width: int
    side: int  # pixels
    task: str
    clients: int
    images: int  # of a client
    batch: int
    cohort: int  # clients of a round
    rounds: int
    goal: str | None


CASES = (
    Case(
        "unet",
        "unet",
        width=32,
        side=96,
        task="segmentation",
        clients=2,
        images=8,
        batch=4,
        cohort=2,
        rounds=25,
        goal="<= 1.02",
    ),
    Case(
        "densenet121",
        "densenet121",
        width=32,
        side=96,
        task="classification",
        clients=2,
        images=16,
        batch=8,
        cohort=2,
        rounds=25,
        goal="<= 1.02",
    ),
    Case(
        "cnn A",
        "cnn",
        width=16,
        side=32,
        task="ten classes",
        clients=100,
        images=50,
        batch=10,
        cohort=10,
        rounds=60,
        goal="<= 1.05",
    ),
    Case(
        "cnn B",
        "cnn",
        width=16,
        side=32,
        task="ten classes",
        clients=1000,
        images=5,
        batch=5,
        cohort=100,
        rounds=60,
        goal="<= 1.05",
    ),
)
QUICK = (
    Case(
        "cnn",
        "cnn",
        width=4,
        side=32,
        task="ten classes",
        clients=4,
        images=4,
        batch=2,
        cohort=2,
        rounds=8,
        goal=None,
    ),
)


def watch(command, output, between):
    """Runs harmofl, stopped for `between` after every round, so that both run in turn. Seconds from
    each line of rounds.jsonl to the next, what `between` gave meanwhile, and the lines."""
    words = [str(word) for word in command]
    path, known, intervals, others = output / "rounds.jsonl", 0, [], []
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        begin = time.perf_counter()
        while process.poll() is None:
            if path.exists() and (more := path.read_bytes().count(b"\n") - known) > 0:
                known += more
                intervals += [(time.perf_counter() - begin) / more] * more
                process.send_signal(signal.SIGSTOP)
                others += [between()] * more
                process.send_signal(signal.SIGCONT)
                begin = time.perf_counter()
            time.sleep(0.0005)
        if process.returncode != 0:
            sys.exit(f"failed: {' '.join(words)}\n{process.stderr.read().decode()}")
    return intervals, others, [json.loads(line) for line in path.read_text().splitlines()]


@dataclass(frozen=True)
class Timed:
    """A round of harmofl and the one of the bare loop beside it, in seconds."""

    ours: float
    other: float
    saves: bool


def round_seconds(command, output, bare):
    """Seconds of the rounds that save nothing, each with its part of a save, and of the bare loop's
    beside them; without the first round and the last."""
    intervals, others, lines = watch(command, output, lambda: bare.do_units(1).seconds)
    saved = [line["phases"].get("save", {"max": 0.0})["max"] > 0 for line in lines]
    timed = [Timed(*one) for one in zip(intervals, others, saved)][1:-1]
    plain = [one for one in timed if not one.saves]
    round_s = statistics.median(one.ours for one in plain)
    save_s = statistics.median(one.ours for one in timed if one.saves) - round_s
    return [one.ours + save_s / SAVE_EVERY for one in plain], [one.other for one in plain]


def arguments(case):
    """Of harmofl, apart from shards and output."""
    words = [
        "--model.name",
        case.network,
        "--model.width",
        case.width,
        "--data.batch_size",
        case.batch,
        "--device.threads",
        1,
        "--run.rounds",
        case.rounds,
        "--run.save_every",
        2,
        "--model.memory_format",
        "channels-last",
        "--train.weight_decay",
        0,
    ]
    if case.network == "cnn":
        return [
            *words,
            "--algorithm.name",
            "fedavg",
            "--train.optimizer",
            "sgd",
            "--train.lr",
            0.1,
            "--train.momentum",
            0,
            "--data.partition",
            "iid",
            "--data.clients",
            case.clients,
            "--cohort.size",
            case.cohort,
        ]
    return [*words, "--algorithm.name", "harmofl", "--train.lr", 1e-4]


def shards_of(case, folder):
    shards = folder / f"overhead-{case.name.replace(' ', '-')}"
    shards.mkdir()
    if case.task == "ten classes":
        run((BUILD / "bench/bench_labels", shards / "site_0.h5", case.clients * case.images, case.side))
    else:
        synthesize(shards, case.clients, case.images, f"{case.side}x{case.side}", case.task)
    return shards


def compare(case, folder):
    shards = shards_of(case, folder)
    words = {
        "network": case.network,
        "width": case.width,
        "batch": case.batch,
        "format": "channels-last",
        "threads": 1,
        "method": "fedavg" if case.network == "cnn" else "harmofl",
        "shard": shards / "site_0.h5",
        "weights": folder / f"{shards.name}.safetensors",
        "steps": case.cohort * -(-case.images // case.batch),
    }
    with Worker(
        pinned(1, BUILD / "bench/bench_bare_round", *(f"{key}={value}" for key, value in words.items()))
    ) as bare:
        bare.do_units(1)
        output = folder / f"{shards.name}-run"
        ours, other = round_seconds(pinned(1, *train(shards, output, *arguments(case))), output, bare)
    yield figure(
        f"overhead {case.name}",
        ours,
        other,
        case.goal,
        "s",
        f"seconds of a round of {words['steps']} steps of {case.network} {case.width}, "
        "over those of the bare loop",
    )


def overhead(quick, folder):
    if not quick and len(CORES) < 2:  # watching would take its time from what is watched
        raise Refused("the program that watches needs a core beside the one that is measured")
    for case in QUICK if quick else chosen(CASES):
        yield from compare(case, folder)
