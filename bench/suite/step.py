# SPDX-License-Identifier: Apache-2.0
"""One local step of HarmoFL: amplitude normalisation (dc), both passes, Adam with lr 1e-4."""

import contextlib
from dataclasses import dataclass

from .figures import missing, require_below, speedup
from .programs import BUILD, HARMOFL, PEERS, Worker, chosen, in_turn, peer_python, pinned, run


@dataclass(frozen=True)
class Case:
    """A network and a batch of its images."""

    name: str
    network: str
    width: int
    side: int  # pixels
    batch: int  # images
    task: str
    goals: dict  # by precision, against eager PyTorch


CASES = (
    Case(
        "unet 384",
        "unet",
        width=32,
        side=384,
        batch=4,
        task="segmentation",
        goals={"fp32": ">= 1.5", "bf16": ">= 3"},
    ),
    Case(
        "unet 256",
        "unet",
        width=32,
        side=256,
        batch=8,
        task="segmentation",
        goals={"fp32": ">= 1.5", "bf16": ">= 3"},
    ),
    Case(
        "densenet121 96",
        "densenet121",
        width=32,
        side=96,
        batch=32,
        task="classification",
        goals={"fp32": ">= 1.6", "bf16": ">= 2.2"},
    ),
)
QUICK = (
    Case("unet 32", "unet", width=4, side=32, batch=4, task="segmentation", goals={}),
    Case("densenet121 64", "densenet121", width=4, side=64, batch=4, task="classification", goals={}),
)


@dataclass(frozen=True)
class Tolerance:
    """How far the losses of the sides may lie apart, as a part of the loss."""

    first: float  # of the first step
    later: float


TOLERANCES = {"fp32": Tolerance(1e-4, 5e-2), "tf32": Tolerance(2e-3, 2e-2), "bf16": Tolerance(4e-2, 1e-1)}


def words(folder, case, precision, layout, threads, **more):
    """The command line of either side."""
    shards = folder / case.name.replace(" ", "-")
    if not shards.exists():
        run(
            (
                HARMOFL,
                "synthesize",
                "--output",
                shards,
                "--task",
                case.task,
                "--sites",
                1,
                "--train",
                case.batch,
                "--val",
                4,
                "--test",
                4,
                "--size",
                f"{case.side}x{case.side}",
            )
        )
    given = {
        "network": case.network,
        "width": case.width,
        "shard": shards / "site_0.h5",
        "weights": shards / "weights.safetensors",
        "batch": case.batch,
        "precision": precision,
        "format": layout,
        "threads": threads,
        **more,
    }
    return [f"{name}={value}" for name, value in given.items()]


def check(case, precision, losses, tolerance):
    """Ends the benchmark unless all sides had the same losses, turn by turn."""
    for name, theirs in losses.items():
        for ours, other in zip(losses["ours"], theirs):
            require_below(
                f"step {case.name} {precision}: difference of {name}'s loss and harmofl's",
                abs(ours - other),
                tolerance * abs(other),
            )


def measure(case, precision, workers, repeats, steps=1):
    """Seconds of a step by worker, in turns of `steps`; the first step warms up."""
    tolerance = TOLERANCES[precision]
    _, losses = in_turn(workers, 1, 1)
    check(case, precision, losses, tolerance.first)
    seconds, losses = in_turn(workers, steps, repeats)
    check(case, precision, losses, tolerance.later)
    return seconds


def compare(folder, case, precision, threads, quick, python, environment):
    """Rows of one case: against eager PyTorch as it comes, which is contiguous and float32 whatever
    ours is, and on one thread also in channels_last and the same precision."""

    def pytorch(layout, its_precision):
        return Worker(
            pinned(threads, python, PEERS / "step.py", *words(folder, case, its_precision, layout, threads)),
            environment=environment,
        )

    peers = {"eager": ("contiguous", "fp32"), "channels_last": ("channels-last", precision)}
    if threads > 1 or (quick and precision == "bf16"):
        del peers["channels_last"]
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(
            Worker(
                pinned(
                    threads,
                    BUILD / "bench/bench_step",
                    *words(folder, case, precision, "channels-last", threads),
                )
            )
        )
        workers = {"ours": ours}
        for name, (layout, its_precision) in peers.items():
            workers[name] = stack.enter_context(pytorch(layout, its_precision))
        found = measure(case, precision, workers, 1 if quick else 5)
    what = f"{case.network} {case.width}, 3x{case.side}x{case.side}, batch {case.batch}, {threads} thread(s)"
    for name, (_, its_precision) in peers.items():
        goal = case.goals.get(precision) if name == "eager" else None
        yield speedup(
            f"step {case.name} {precision} {threads}t {name}",
            found["ours"],
            found[name],
            goal,
            f"{what}: PyTorch {name} {its_precision} over harmofl {precision}",
        )


def step(quick, folder):
    python, environment = peer_python()
    threads = (1,) if quick else (1, 2)
    for case in QUICK if quick else chosen(CASES):
        for precision in ("fp32", "bf16"):
            for count in threads:
                if python is None:
                    yield missing(f"step {case.name} {precision} {count}t", environment)
                    continue
                yield from compare(folder, case, precision, count, quick, python, environment)
