#!/usr/bin/env python3
"""Times what a cluster adds to training: sums over ranks, waiting, memory. See bench/run.sh.

Everything is run in turn with what it is compared to, and quoted as medians of the repeats, with
the ratio's smallest and largest value as its spread.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("HARMOFL_BUILD", ROOT / "build/release"))
HARMOFL = BUILD / "harmofl"
CNN = ("--algorithm.name", "fedavg", "--train.optimizer", "sgd", "--train.momentum", "0",
       "--data.batch_size", "10", "--data.augment", "false", "--device.threads", "1")


def run(command, **options):
    """Runs a program to its end; its error output is shown when it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        sys.exit(f"failed ({done.returncode}): {' '.join(words)}\n{done.stderr}")
    return done.stdout


def mpirun(ranks, *command):
    return ("mpirun", "-n", ranks, *command)


def figure(name, ours, other, goal, unit, what, better="low"):
    """One row: medians of both sides, and the ratio ours / other, or other / ours where high is good."""
    pairs = [(b / a if better == "high" else a / b) for a, b in zip(ours, other)]
    return {"name": name, "ours": statistics.median(ours), "other": statistics.median(other),
            "ratio": statistics.median(pairs), "spread": [min(pairs), max(pairs)], "goal": goal,
            "unit": unit, "what": what, "repeats": len(pairs)}


def synthesize(folder, sites, train, size, task="classification"):
    run((HARMOFL, "synthesize", "--output", folder, "--task", task, "--sites", sites, "--train",
         train, "--val", 4, "--test", 4, "--size", size))


def rounds(folder):
    """The lines of rounds.jsonl; the first warms up, the last is evaluated."""
    return [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]


def train(shards, output, *arguments):
    return (HARMOFL, "train", "--data.shards", shards, "--run.output", output,
            "--run.evaluate_every", 100_000, *arguments)


def allreduce(quick, _):
    """The transport against a bare MPI_Allreduce: bandwidths, so that high is good."""
    values, repeats = (100_000, 3) if quick else (7_800_000, 21)
    ranks = min(2, os.cpu_count())
    found = json.loads(run(mpirun(ranks, BUILD / "bench/bench_allreduce", values, repeats)))
    for kind, times in found.items():
        yield figure(f"allreduce {kind}", times["ours_s"], times["bare_s"], ">= 0.9", "s",
                     f"bandwidth of {times['bytes']} bytes on {ranks} ranks against MPI_Allreduce",
                     better="high")


def aggregate(quick, folder):
    """The share of a round that the sum over ranks takes, for the U-Net of 7.8 M parameters."""
    synthesize(folder / "unet", 2, 8 if quick else 16, "32x32" if quick else "256x256",
               "segmentation")
    width = 4 if quick else 32
    for reduce in ("fast", "exact"):
        output = folder / f"unet-{reduce}"
        run(mpirun(2, *train(folder / "unet", output, "--model.width", width, "--algorithm.name",
                             "harmofl", "--data.batch_size", 4, "--run.rounds", 3 if quick else 9,
                             "--comm.reduce", reduce, "--model.memory_format", "channels-last",
                             "--device.threads", 1, "--run.save_every", 1000)))
        lines = rounds(output)[1:-1]
        yield figure(f"aggregate {reduce}", [line["phases"]["aggregate"]["max"] for line in lines],
                     [line["seconds"] for line in lines], None, "s",
                     f"seconds of a round spent aggregating, of its seconds; U-Net {width}, 2 ranks")


def weak(quick, folder):
    """Two ranks against one rank beside another process of the same load: the same work a rank."""
    clients, repeats = (2, 1) if quick else (100, 5)
    synthesize(folder / "one", 1, 10 * clients, "32x32")
    synthesize(folder / "two", 2, 10 * clients, "32x32")
    # Rounds of seconds: two ranks meet once a round, and short rounds differ by the machine's jitter.
    common = (*CNN, "--data.partition", "iid", "--run.rounds", 4 if quick else 7,
              "--train.local_epochs", 1 if quick else 4,
              "--run.save_every", 1000, "--comm.reduce", "exact", "--comm.placement", "samples")
    ours, other = [], []
    for i in range(repeats):
        outputs = [folder / f"alone-{i}-{k}" for k in range(2)]
        processes = [subprocess.Popen(
            [str(word) for word in train(folder / "one", output, *common, "--data.clients", clients)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for output in outputs]
        if any(process.wait() != 0 for process in processes):
            sys.exit("a run of one rank failed")
        output = folder / f"together-{i}"
        run(mpirun(2, *train(folder / "two", output, *common, "--data.clients", 2 * clients)))
        median = lambda path: statistics.median(line["seconds"] for line in rounds(path)[1:-1])
        other.append(statistics.fmean(median(path) for path in outputs))
        ours.append(median(output))
    yield figure("weak scaling", ours, other, ">= 0.95", "s",
                 f"seconds of a round of {clients} clients a rank: one rank beside another process "
                 "of the same load, over two ranks", better="high")


def memory(quick, folder):
    """Peak memory of a rank for 2,000 clients against 20 with the same images."""
    train_images = 100 if quick else 500
    synthesize(folder / "many", 4, train_images, "32x32")
    found = {}
    for clients in (20, 4 * train_images):
        output = folder / f"memory-{clients}"
        run(mpirun(2, *train(folder / "many", output, *CNN, "--data.partition", "iid",
                             "--data.clients", clients, "--run.rounds", 2)))
        found[clients] = [rounds(output)[-1]["peak_memory_bytes"]["max"]]
    (few, least), (many, most) = found.items()
    yield figure("memory", most, least, "flat", "bytes",
                 f"peak memory of a rank of two: {many} clients over {few} with the same images")


BENCHMARKS = {"allreduce": allreduce, "aggregate": aggregate, "weak": weak, "memory": memory}


def table(figures):
    rows = [f"{'name':18} {'ours':>12} {'other':>12} {'ratio':>7}  {'spread':16} {'goal':8} what"]
    for row in figures:
        low, high = row["spread"]
        rows.append(f"{row['name']:18} {row['ours']:12.5g} {row['other']:12.5g} "
                    f"{row['ratio']:7.3f}  {f'{low:.3f} to {high:.3f}':16} {row['goal'] or '-':8} "
                    f"{row['what']}")
    return "\n".join(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(BENCHMARKS))
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    names = given.only.split(",")
    for name in names:
        if name not in BENCHMARKS:
            parser.error(f"--only {name}: unknown; known: {', '.join(BENCHMARKS)}")
    figures = []
    with tempfile.TemporaryDirectory(prefix="harmofl-bench-") as folder:
        for name in names:
            figures += BENCHMARKS[name](given.quick, pathlib.Path(folder))
    print(table(figures))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
