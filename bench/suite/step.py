# SPDX-License-Identifier: Apache-2.0
"""One local step of HarmoFL: amplitude normalisation (dc), both passes, Adam with lr 1e-4."""

import contextlib
from dataclasses import dataclass

from .figures import missing, require_below, speedup
from .programs import HARMOFL, PEERS, Worker, bench_program, chosen, in_turn, pinned, run, torch_python


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


def words(folder, case, precision, layout, threads, batches=1, **more):
    """The command line of either side, for a client of so many batches."""
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
                batches * case.batch,
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
        "samples": shards / "samples.safetensors",
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
    """Seconds of a step by worker, in turns of `steps`; the first step warms up, and where turns have
    more of them the first turn: graphs are recorded in it."""
    tolerance = TOLERANCES[precision]
    _, losses = in_turn(workers, 1, 1)
    check(case, precision, losses, tolerance.first)
    if steps > 1:
        _, losses = in_turn(workers, steps, 1)
        check(case, precision, losses, tolerance.later)
    seconds, losses = in_turn(workers, steps, repeats)
    check(case, precision, losses, tolerance.later)
    return seconds


@dataclass(frozen=True)
class Peer:
    """How PyTorch computes the step beside ours."""

    layout: str
    precision: str
    compile: str = "none"  # the mode of torch.compile


def peers_of(precision, threads, quick):
    """Eager PyTorch as it comes, which is contiguous and float32 whatever ours is; on one thread also
    channels_last in our precision, and the same by torch.compile. Quick runs compile nothing to machine
    code, which takes minutes."""
    eager = {"eager": Peer("contiguous", "fp32")}
    if threads > 1:
        return eager
    if quick:
        return (
            {**eager, "dynamo": Peer("channels-last", precision, "aot_eager")}
            if precision == "fp32"
            else eager
        )
    return {
        **eager,
        "channels_last": Peer("channels-last", precision),
        "compile": Peer("channels-last", precision, "default"),
    }


def worker_of(folder, case, peer, threads, python, environment):
    options = words(folder, case, peer.precision, peer.layout, threads, compile=peer.compile)
    return Worker(pinned(threads, python, PEERS / "step.py", *options), environment=environment)


def compare(folder, case, precision, threads, quick, python, environment):
    """Rows of one case."""
    peers = peers_of(precision, threads, quick)
    program = bench_program("bench_step")
    with contextlib.ExitStack() as stack:
        ours = pinned(threads, program, *words(folder, case, precision, "channels-last", threads))
        workers = {"ours": stack.enter_context(Worker(ours))}
        for name, peer in peers.items():
            workers[name] = stack.enter_context(worker_of(folder, case, peer, threads, python, environment))
        found = measure(case, precision, workers, 1 if quick else 5)
    what = f"{case.network} {case.width}, 3x{case.side}x{case.side}, batch {case.batch}, {threads} thread(s)"
    for name, peer in peers.items():
        goal = case.goals.get(precision) if name == "eager" else None
        yield speedup(
            f"step {case.name} {precision} {threads}t {name}",
            found["ours"],
            found[name],
            goal,
            f"{what}: PyTorch {name} {peer.precision} over harmofl {precision}",
        )


def step(quick, folder):
    python, environment = torch_python()
    threads = (1,) if quick else (1, 2)
    for case in QUICK if quick else chosen(CASES):
        for precision in ("fp32", "bf16"):
            for count in threads:
                if python is None:
                    yield missing(f"step {case.name} {precision} {count}t", environment)
                    continue
                yield from compare(folder, case, precision, count, quick, python, environment)
