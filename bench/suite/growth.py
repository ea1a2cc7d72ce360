# SPDX-License-Identifier: Apache-2.0
"""How seconds and memory of a round grow, each curve against a line: constant + slope * x.

The line is a least-squares fit of the relative errors, so that small and large runs count alike.
"""

import json
import statistics
from dataclasses import dataclass

from .figures import figure
from .programs import BUILD, CORES, mpirun, pinned, rounds, run, synthesize, train

ROUNDS = 4  # the first warms up, the last is evaluated


@dataclass(frozen=True)
class Measured:
    """What a run was found to take."""

    seconds: float  # of a round
    memory: int  # bytes, the most of a rank before evaluation
    parameters: int


def fit(xs, ys):
    """(constant, slope) that minimise the sum of ((constant + slope x - y) / y)^2."""
    a = [1 / y for y in ys]
    b = [x / y for x, y in zip(xs, ys)]
    aa, ab, bb = (sum(p * q for p, q in zip(u, v)) for u, v in ((a, a), (a, b), (b, b)))
    determinant = aa * bb - ab * ab
    if determinant <= 1e-12 * aa * bb:  # a single x
        return sum(a) / aa, 0.0
    return ((sum(a) * bb - sum(b) * ab) / determinant, (sum(b) * aa - sum(a) * ab) / determinant)


def measure(shards, output, ranks, arguments):
    """One run of `ranks` ranks, as Measured."""
    command = train(
        shards,
        output,
        "--run.rounds",
        ROUNDS,
        "--run.save_every",
        100_000,
        "--device.threads",
        1,
        "--model.memory_format",
        "channels-last",
        *arguments,
    )
    environment = {"OMPI_MCA_mpi_yield_when_idle": "1"} if ranks > len(CORES) else {}
    command = (
        "env",
        *(f"{k}={v}" for k, v in environment.items()),
        *(mpirun(ranks, *command) if ranks > 1 else command),
    )
    run(pinned(ranks, *command))
    lines = rounds(output)[1:-1]
    parameters = json.loads((output / "run.json").read_text())["model_parameters"]
    return Measured(
        statistics.median(line["seconds"] for line in lines),
        lines[-1]["peak_memory_bytes"]["max"],
        parameters,
    )


def curve(name, unit_of_x, points):
    """Rows of a curve: for each point, {x: Measured}, both quantities against their lines."""
    xs = list(points)
    for quantity, unit in {"seconds": "s", "memory": "bytes"}.items():
        ys = [getattr(point, quantity) for point in points.values()]
        constant, slope = fit(xs, ys)
        line = f"{constant:.4g} + {slope:.4g} per {unit_of_x}"
        for x, y in zip(xs, ys):
            row = figure(
                f"growth {name} {x:.6g} {quantity}",
                [y],
                [constant + slope * x],
                None,
                unit,
                f"{quantity} of a round over the line {line}",
            )
            yield {**row, "x": x, "constant": constant, "slope": slope}


def labels(folder, images):
    shards = folder / f"labels-{images}"
    if not shards.exists():
        shards.mkdir()
        run((BUILD / "bench/bench_labels", shards / "site_0.h5", images))
    return shards


def cnn(clients, cohort, batch):
    return (
        "--algorithm.name",
        "fedavg",
        "--model.name",
        "cnn",
        "--train.optimizer",
        "sgd",
        "--train.momentum",
        0,
        "--data.partition",
        "iid",
        "--data.clients",
        clients,
        "--cohort.size",
        cohort,
        "--data.batch_size",
        batch,
    )


def clients(quick, folder):
    """5 images a client: all of the clients train, or ten of them."""
    numbers = (4, 8) if quick else (10, 100, 1000, 2500, 5000)
    for name, cohort in (("clients that train", 0), ("clients, 10 train", numbers[0])):
        points = {}
        for number in numbers:
            output = folder / f"{name.replace(' ', '-')}-{number}"
            points[number] = measure(labels(folder, 5 * number), output, 1, cnn(number, cohort, 5))
        yield from curve(name, "client", points)


def parameters(quick, folder):
    """One client of one batch of 4 images of 64 x 64 pixels, HarmoFL's step with Adam."""
    widths = {"cnn": (16, 32, 64, 128), "unet": (8, 16, 32, 64), "densenet121": (12, 24, 32, 48)}
    if quick:
        widths = {"cnn": (4, 8)}
    for network, sizes in widths.items():
        task = "segmentation" if network == "unet" else "classification"
        synthesize(folder / f"growth-{network}", 1, 4, "64x64", task)
        points = {}
        for width in sizes:
            found = measure(
                folder / f"growth-{network}",
                folder / f"growth-{network}-{width}",
                1,
                ("--model.name", network, "--model.width", width, "--data.batch_size", 4),
            )
            points[found.parameters] = found
        yield from curve(f"parameters {network}", "parameter", points)


def pixels(quick, folder):
    """One client of one batch of 4 images, U-Net of width 16, HarmoFL's step with Adam."""
    points = {}
    for side in (32, 48) if quick else (64, 96, 128, 192, 256, 384):
        shards = folder / f"growth-side-{side}"
        synthesize(shards, 1, 4, f"{side}x{side}", "segmentation")
        width = 4 if quick else 16
        points[side * side] = measure(
            shards, folder / f"growth-run-{side}", 1, ("--model.width", width, "--data.batch_size", 4)
        )
    yield from curve("pixels", "pixel", points)


def ranks(quick, folder):
    """The same work in all, shared out: against work / ranks + constant."""
    number, points = 4 if quick else 100, {}
    for count in (1, 2) if quick else (1, 2, 4):
        output = folder / f"growth-ranks-{count}"
        points[1 / count] = measure(labels(folder, 20 * number), output, count, cnn(number, 0, 10))
    for row in curve("1/ranks", "1/ranks", points):
        if row["x"] < 1 / len(CORES):
            row["what"] += f"; more ranks than the {len(CORES)} cores"
        yield row


def growth(quick, folder):
    for part in (clients, parameters, pixels, ranks):
        yield from part(quick, folder)
