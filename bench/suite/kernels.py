# SPDX-License-Identifier: Apache-2.0
"""The kernels of bench/kernels against what they are compared to, by Google Benchmark."""

import collections
import json
import os
import statistics
from dataclasses import dataclass

from .figures import figure
from .programs import BUILD, CORES, pinned, run

SHAPES = ("4x3x384x384", "8x3x256x256", "32x3x96x96")
STEPS = {"sgd": "SGD with momentum", "adam": "Adam"}
COUNTS = {"24234": "24 k", "7000000": "7 M", "31000000": "31 M"}
REPEATS = 5


@dataclass(frozen=True)
class Row:
    """A kernel and what it is compared to."""

    name: str
    ours: str  # the benchmark of the kernel
    other: str  # the benchmark of the other side
    goal: str | None
    what: str


def amplitude_rows():
    """The rows of amplitude normalisation."""
    for shape in SHAPES:
        for layout in ("rows", "channels-last"):
            for place, goal in (("memory", "<= 1.5"), ("cache", None)):
                yield Row(
                    f"amplitude dc {shape} {layout} {place}",
                    f"amplitude/dc/frozen/{shape}/{layout}/{place}",
                    f"copy/{shape}/{place}",
                    goal,
                    f"frozen, {layout}, against a copy of the batch, both in {place}",
                )
            for band, goal in (("low:0.1", None), ("full", "<= 1.3")):
                yield Row(
                    f"amplitude {band} {shape} {layout}",
                    f"amplitude/{band}/frozen/{shape}/{layout}/memory",
                    f"transforms/{shape}/float64",
                    goal,
                    f"frozen, {layout}, against rfft2 and irfft2 in float64",
                )
        for band in ("dc", "low:0.1", "full"):
            yield Row(
                f"amplitude {band} {shape} of libtorch",
                f"amplitude/{band}/frozen/{shape}/rows/memory",
                f"libtorch/{band}/{shape}",
                None,
                "frozen, rows, against libtorch's operations one after the other",
            )
        yield Row(
            f"amplitude full {shape} of float32",
            f"amplitude/full/frozen/{shape}/rows/memory",
            f"transforms/{shape}/float32",
            None,
            "frozen, against rfft2 and irfft2 in float32, which its exactness does not allow",
        )
        yield Row(
            f"amplitude dc {shape} observing",
            f"amplitude/dc/observing/{shape}/rows/memory",
            f"copy/{shape}/memory",
            None,
            "the running amplitude moves; against a copy",
        )
        for band in ("low:0.1", "full"):
            yield Row(
                f"amplitude {band} {shape} observing",
                f"amplitude/{band}/observing/{shape}/rows/memory",
                f"transforms/{shape}/float64",
                None,
                "the running amplitude moves; against rfft2 and irfft2 in float64",
            )


def step_rows():
    """The rows of the perturbation and the step on the flat buffer."""
    for kind, optimizer in STEPS.items():
        for count, size in COUNTS.items():
            yield Row(
                f"perturbed {kind} {size} of bytes",
                f"step/{kind}/{count}/ours",
                f"step/{kind}/{count}/copy",
                None,
                f"norm, perturbation and {optimizer} of {size} parameters, against a copy of "
                "the bytes that their passes move",
            )
            yield Row(
                f"perturbed {kind} {size}",
                f"step/{kind}/{count}/ours",
                f"step/{kind}/{count}/libtorch",
                None,
                f"norm, perturbation and {optimizer} of {size} parameters, against libtorch's operations",
            )


def file_rows():
    """The rows of loading shards and writing checkpoints."""
    for task in ("classification", "segmentation"):
        for state in ("warm", "cold"):
            yield Row(
                f"load {task} {state}",
                f"load/{task}/{state}",
                f"read/{task}/{state}",
                None,
                f"a {state} shard read, verified and cut into batches, against a plain read",
            )
        yield Row(
            f"batches {task}",
            f"batches/{task}",
            f"load/{task}/warm",
            None,
            "the batches of samples in memory, of the time with reading them",
        )
        yield Row(
            f"stream {task}",
            f"stream/{task}",
            f"batches/{task}",
            None,
            "the batches of samples that are read while they are cut, against those of samples in memory",
        )
    for count, size in list(COUNTS.items())[:2]:
        yield Row(
            f"checkpoint {size}",
            f"checkpoint/{count}/ours",
            f"checkpoint/{count}/plain",
            None,
            f"a checkpoint of {size} parameters, against a plain write and fsync of the bytes",
        )


@dataclass(frozen=True)
class Family:
    """Rows that are measured by one run of bench_kernels.

    What computes on one core is timed by what it used of the core, which others may share
    (cpu_time); what waits for a disk by the clock on the wall (real_time).
    """

    pattern: str  # of its benchmarks' names
    clock: str
    rows: list


def families():
    return (
        Family("^(amplitude|copy|transforms|libtorch)/", "cpu_time", list(amplitude_rows())),
        Family("^step/", "cpu_time", list(step_rows())),
        Family("^(load|read|batches|stream|checkpoint)/", "real_time", list(file_rows())),
    )


def small(family):
    """The rows of a family that are of small tensors."""
    large = ("384", "256", "7000000", "31000000")
    rows = [row for row in family.rows if not any(size in row.ours for size in large)]
    names = {name for row in rows for name in (row.ours, row.other)}
    return Family(f"^({'|'.join(sorted(names))})/real_time$", family.clock, rows)


def measure(pattern, clock, quick, folder):
    """Seconds of every repetition, and images a second where there are any, by benchmark."""
    command = pinned(
        1,
        BUILD / "bench/kernels/bench_kernels",
        f"--benchmark_filter={pattern}",
        "--benchmark_format=json",
        f"--benchmark_repetitions={1 if quick else REPEATS}",
        f"--benchmark_min_time={0.001 if quick else 0.1}",
        "--benchmark_enable_random_interleaving=true",
    )
    settings = {"OMP_NUM_THREADS": "1", "TMPDIR": str(folder)}
    found = json.loads(run(command, env={**os.environ, **settings}))
    seconds, rates = collections.defaultdict(list), collections.defaultdict(list)
    for entry in found["benchmarks"]:
        if entry.get("error_occurred"):
            raise SystemExit(f"{entry['name']}: {entry['error_message']}")
        if entry["run_type"] != "iteration":
            continue
        name = entry["name"].removesuffix("/real_time")
        seconds[name].append(entry[clock] / 1e3)
        if "items_per_second" in entry:
            rates[name].append(entry["items_per_second"])
    return seconds, rates


def kernels(quick, folder):
    """Kernels against memory bandwidth, libtorch and plain files; the quick ones are small."""
    for family in families():
        if quick:
            family = small(family)
        seconds, rates = measure(family.pattern, family.clock, quick, folder)
        for row in family.rows:
            rate = f"; {statistics.median(rates[row.ours]):.0f} images/s" if rates[row.ours] else ""
            yield figure(
                row.name,
                seconds[row.ours],
                seconds[row.other],
                row.goal,
                "s",
                f"{row.what}; core {CORES[0]}{rate}",
            )
