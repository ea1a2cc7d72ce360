"""One local step of HarmoFL: amplitude normalisation (dc), both passes, Adam with lr 1e-4."""

import contextlib

from .figures import missing, require_below, speedup
from .programs import (BUILD, HARMOFL, PEERS, Worker, chosen, in_turn, peer_python, pinned, run)

# name, network, width, side, batch, task, and the goals in float32 and bfloat16
CASES = (
    ("unet 384", "unet", 32, 384, 4, "segmentation", ">= 1.5", ">= 3"),
    ("unet 256", "unet", 32, 256, 8, "segmentation", ">= 1.5", ">= 3"),
    ("densenet121 96", "densenet121", 32, 96, 32, "classification", ">= 1.6", ">= 2.2"),
)
QUICK = (
    ("unet 32", "unet", 4, 32, 4, "segmentation", None, None),
    ("densenet121 64", "densenet121", 4, 64, 4, "classification", None, None),
)
# How far the losses of the sides may lie apart: of the first step, and of a later one.
TOLERANCES = {"fp32": (1e-4, 5e-2), "tf32": (2e-3, 2e-2), "bf16": (4e-2, 1e-1)}


def words(folder, case, precision, layout, threads, **more):
    """The command line of either side."""
    name, network, width, side, batch, task = case[:6]
    shards = folder / name.replace(" ", "-")
    if not shards.exists():
        run((HARMOFL, "synthesize", "--output", shards, "--task", task, "--sites", 1, "--train",
             batch, "--val", 4, "--test", 4, "--size", f"{side}x{side}"))
    given = {"network": network, "width": width, "shard": shards / "site_0.h5",
             "weights": shards / "weights.safetensors", "batch": batch, "precision": precision,
             "format": layout, "threads": threads, **more}
    return [f"{name}={value}" for name, value in given.items()]


def check(case, precision, losses, tolerance):
    """Ends the benchmark unless all sides had the same losses, turn by turn."""
    for name, theirs in losses.items():
        for ours, other in zip(losses["ours"], theirs):
            require_below(f"step {case[0]} {precision}: difference of {name}'s loss and harmofl's",
                          abs(ours - other), tolerance * abs(other))


def measure(case, precision, workers, repeats, steps=1):
    """Seconds of a step by worker, in turns of `steps`; the first step warms up."""
    first, later = TOLERANCES[precision]
    check(case, precision, in_turn(workers, 1, 1)[1], first)
    seconds, losses = in_turn(workers, steps, repeats)
    check(case, precision, losses, later)
    return seconds


def compare(folder, case, precision, threads, quick, python, environment):
    """Rows of one case: against eager PyTorch as it comes, which is contiguous and float32 whatever
    ours is, and on one thread also in channels_last and the same precision."""
    def pytorch(layout, its_precision):
        return Worker(pinned(threads, python, PEERS / "step.py",
                             *words(folder, case, its_precision, layout, threads)),
                      environment=environment)

    peers = {"eager": ("contiguous", "fp32"), "channels_last": ("channels-last", precision)}
    if threads > 1 or (quick and precision == "bf16"):
        del peers["channels_last"]
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(
            Worker(pinned(threads, BUILD / "bench/bench_step",
                          *words(folder, case, precision, "channels-last", threads))))
        workers = {"ours": ours}
        for name, (layout, its_precision) in peers.items():
            workers[name] = stack.enter_context(pytorch(layout, its_precision))
        found = measure(case, precision, workers, 1 if quick else 5)
    what = f"{case[1]} {case[2]}, 3x{case[3]}x{case[3]}, batch {case[4]}, {threads} thread(s)"
    for name, (_, its_precision) in peers.items():
        goal = {"fp32": case[6], "bf16": case[7]}.get(precision) if name == "eager" else None
        yield speedup(f"step {case[0]} {precision} {threads}t {name}", found["ours"], found[name],
                      goal, f"{what}: PyTorch {name} {its_precision} over harmofl {precision}")


def step(quick, folder):
    python, environment = peer_python()
    threads = (1,) if quick else (1, 2)
    for case in QUICK if quick else chosen(CASES):
        for precision in ("fp32", "bf16"):
            for count in threads:
                if python is None:
                    yield missing(f"step {case[0]} {precision} {count}t", environment)
                    continue
                yield from compare(folder, case, precision, count, quick, python, environment)
