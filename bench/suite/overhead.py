"""What a round costs beside its steps: `harmofl train` against a bare loop over ready batches.

Both are of the same build: bench_bare_round has the network's passes, the perturbation and the
optimiser, on float batches in memory. harmofl loads, shuffles, augments, aggregates, records, and
saves every ten rounds; it is timed from one line of rounds.jsonl to the next, so that nothing is
left out.
"""

import json
import statistics
import subprocess
import sys
import time

from .figures import figure
from .programs import (BUILD, CORES, Refused, Worker, chosen, pinned, run, synthesize, train)

SAVE_EVERY = 10  # rounds, harmofl's default

# name, network, width, side, task, clients, images a client, batch, clients a round, rounds, goal
CASES = (
    ("unet", "unet", 32, 96, "segmentation", 2, 8, 4, 2, 5, "<= 1.02"),
    ("densenet121", "densenet121", 32, 96, "classification", 2, 16, 8, 2, 5, "<= 1.02"),
    ("cnn A", "cnn", 16, 32, "ten classes", 100, 50, 10, 10, 14, "<= 1.05"),
    ("cnn B", "cnn", 16, 32, "ten classes", 1000, 5, 5, 100, 14, "<= 1.05"),
)
QUICK = (("cnn", "cnn", 4, 32, "ten classes", 4, 4, 2, 2, 4, None),)


def watch(command, output):
    """Runs harmofl. Seconds from each line of rounds.jsonl to the next, and the lines."""
    words = [str(word) for word in command]
    path, seen, whole = output / "rounds.jsonl", [], b""
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while process.poll() is None:
            if path.exists() and len(text := path.read_bytes()) > len(whole):
                seen += [time.perf_counter()] * (text.count(b"\n") - whole.count(b"\n"))
                whole = text
            time.sleep(0.0005)
        if process.returncode != 0:
            sys.exit(f"failed: {' '.join(words)}\n{process.stderr.read().decode()}")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [after - before for before, after in zip(seen, seen[1:])], lines


def round_seconds(command, output):
    """Seconds of a round, its part of a save included; without the first round and the last."""
    intervals, lines = watch(command, output)
    saves = [line["phases"].get("save", {"max": 0.0})["max"] for line in lines[1:]]
    plain = [whole - save for whole, save in zip(intervals, saves)][:-1]
    return statistics.median(plain) + statistics.median(s for s in saves if s > 0) / SAVE_EVERY


def arguments(case):
    """Of harmofl, apart from shards and output."""
    _, network, width, _, _, clients, _, batch, cohort, rounds, _ = case
    words = ["--model.name", network, "--model.width", width, "--data.batch_size", batch,
             "--device.threads", 1, "--run.rounds", rounds, "--run.save_every", 2,
             "--model.memory_format", "channels-last", "--train.weight_decay", 0]
    if network == "cnn":
        return [*words, "--algorithm.name", "fedavg", "--train.optimizer", "sgd", "--train.lr", 0.1,
                "--train.momentum", 0, "--data.partition", "iid", "--data.clients", clients,
                "--cohort.size", cohort]
    return [*words, "--algorithm.name", "harmofl", "--train.lr", 1e-4]


def shards_of(case, folder):
    name, _, _, side, task, clients, images, *_ = case
    shards = folder / f"overhead-{name.replace(' ', '-')}"
    shards.mkdir()
    if task == "ten classes":
        run((BUILD / "bench/bench_labels", shards / "site_0.h5", clients * images, side))
    else:
        synthesize(shards, clients, images, f"{side}x{side}", task)
    return shards


def compare(case, folder, repeats):
    name, network, width, _, _, _, images, batch, cohort, rounds, goal = case
    shards = shards_of(case, folder)
    words = {"network": network, "width": width, "batch": batch, "format": "channels-last",
             "method": "fedavg" if network == "cnn" else "harmofl", "threads": 1,
             "shard": shards / "site_0.h5", "weights": folder / f"{shards.name}.safetensors",
             "steps": cohort * -(-images // batch)}
    with Worker(pinned(1, BUILD / "bench/bench_bare_round",
                       *(f"{key}={value}" for key, value in words.items()))) as bare:
        bare.take(1)
        ours, other = [], []
        for i in range(repeats):
            output = folder / f"{shards.name}-{i}"
            ours.append(round_seconds(pinned(1, *train(shards, output, *arguments(case))), output))
            other.append(statistics.median(bare.take(1)[0] for _ in range(rounds - 2)))
    yield figure(f"overhead {name}", ours, other, goal, "s",
                 f"seconds of a round of {words['steps']} steps of {network} {width}, over those "
                 "of the bare loop")


def overhead(quick, folder):
    if not quick and len(CORES) < 2:  # watching would take its time from what is watched
        raise Refused("the program that watches needs a core beside the one that is measured")
    for case in QUICK if quick else chosen(CASES):
        yield from compare(case, folder, 1 if quick else 5)
