"""One local step of HarmoFL: amplitude normalisation (dc), both passes, Adam with lr 1e-4."""

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
TOLERANCES = {"fp32": (1e-4, 5e-3), "tf32": (2e-3, 2e-2), "bf16": (2e-2, 5e-2)}


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


def check(case, precision, workers):
    """Warms the sides up; their losses must agree from the first step on."""
    first, later = TOLERANCES[precision]
    for tolerance in (first, later):
        losses = {name: worker.take(1)[1] for name, worker in workers.items()}
        for name, loss in losses.items():
            require_below(f"step {case[0]} {precision}: difference of {name}'s loss and harmofl's",
                          abs(losses["ours"] - loss), tolerance * abs(loss))


def compare(folder, case, precision, threads, repeats, python, environment):
    """Rows of one case: against eager PyTorch as it comes, and in channels_last."""
    def pytorch(layout):
        return Worker(pinned(threads, python, PEERS / "step.py",
                             *words(folder, case, precision, layout, threads)),
                      environment=environment)

    ours = Worker(pinned(threads, BUILD / "bench/bench_step",
                         *words(folder, case, precision, "channels-last", threads)))
    with ours, pytorch("contiguous") as eager, pytorch("channels-last") as last:
        workers = {"ours": ours, "eager": eager, "channels_last": last}
        check(case, precision, workers)
        found = in_turn(workers, 1, repeats)
    name = f"step {case[0]} {precision} {threads}t"
    what = f"{case[1]} {case[2]}, 3x{case[3]}x{case[3]}, batch {case[4]}, {threads} thread(s)"
    goal = {"fp32": case[6], "bf16": case[7]}.get(precision)
    yield speedup(name, found["ours"], found["eager"], goal, f"{what}: PyTorch eager over harmofl")
    yield speedup(f"{name} (channels_last)", found["ours"], found["channels_last"], None,
                  f"{what}: PyTorch eager in channels_last over harmofl")


def step(quick, folder):
    python, environment = peer_python()
    threads = (1,) if quick else (1, 2)
    for case in QUICK if quick else chosen(CASES):
        for precision in ("fp32", "bf16"):
            for count in threads:
                if python is None:
                    yield missing(f"step {case[0]} {precision} {count}t", environment)
                    continue
                yield from compare(folder, case, precision, count, 1 if quick else 5, python,
                                   environment)
