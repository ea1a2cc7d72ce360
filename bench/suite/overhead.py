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

from .figures import figure
from .programs import (BUILD, CORES, Refused, Worker, chosen, pinned, run, synthesize, train)

SAVE_EVERY = 10  # rounds, harmofl's default

# name, network, width, side, task, clients, images a client, batch, clients a round, rounds, goal
CASES = (
    ("unet", "unet", 32, 96, "segmentation", 2, 8, 4, 2, 25, "<= 1.02"),
    ("densenet121", "densenet121", 32, 96, "classification", 2, 16, 8, 2, 25, "<= 1.02"),
    ("cnn A", "cnn", 16, 32, "ten classes", 100, 50, 10, 10, 60, "<= 1.05"),
    ("cnn B", "cnn", 16, 32, "ten classes", 1000, 5, 5, 100, 60, "<= 1.05"),
)
QUICK = (("cnn", "cnn", 4, 32, "ten classes", 4, 4, 2, 2, 8, None),)


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


def round_seconds(command, output, bare):
    """Seconds of the rounds that save nothing, each with its part of a save, and of the bare loop's
    beside them; without the first round and the last."""
    intervals, others, lines = watch(command, output, lambda: bare.take(1)[0])
    saved = [line["phases"].get("save", {"max": 0.0})["max"] > 0 for line in lines]
    turns = list(zip(intervals, others, saved))[1:-1]
    plain = [(ours, other) for ours, other, it_saves in turns if not it_saves]
    round_s = statistics.median(ours for ours, _ in plain)
    save_s = statistics.median(ours for ours, _, it_saves in turns if it_saves) - round_s
    return [ours + save_s / SAVE_EVERY for ours, _ in plain], [other for _, other in plain]


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


def compare(case, folder):
    name, network, width, _, _, _, images, batch, cohort, _, goal = case
    shards = shards_of(case, folder)
    words = {"network": network, "width": width, "batch": batch, "format": "channels-last",
             "method": "fedavg" if network == "cnn" else "harmofl", "threads": 1,
             "shard": shards / "site_0.h5", "weights": folder / f"{shards.name}.safetensors",
             "steps": cohort * -(-images // batch)}
    with Worker(pinned(1, BUILD / "bench/bench_bare_round",
                       *(f"{key}={value}" for key, value in words.items()))) as bare:
        bare.take(1)
        output = folder / f"{shards.name}-run"
        ours, other = round_seconds(pinned(1, *train(shards, output, *arguments(case))), output,
                                    bare)
    yield figure(f"overhead {name}", ours, other, goal, "s",
                 f"seconds of a round of {words['steps']} steps of {network} {width}, over those "
                 "of the bare loop")


def overhead(quick, folder):
    if not quick and len(CORES) < 2:  # watching would take its time from what is watched
        raise Refused("the program that watches needs a core beside the one that is measured")
    for case in QUICK if quick else chosen(CASES):
        yield from compare(case, folder)
