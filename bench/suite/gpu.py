# SPDX-License-Identifier: Apache-2.0
"""The steps of the family `step` on a GPU, against PyTorch eager and torch.compile on the same."""

import contextlib
import shutil
import statistics
import subprocess
from dataclasses import dataclass

from .cluster import allreduce_rows
from .figures import figure, missing, speedup
from .programs import BUILD, HARMOFL, PEERS, Refused, Worker, chosen, peer_python, run, run_or_error
from .step import CASES, QUICK, measure, words


@dataclass(frozen=True)
class Variant:
    """How both sides compute a step."""

    precision: str
    layout: str
    graphs: bool = False  # CUDA graphs, on harmofl's side


VARIANTS = (
    Variant("fp32", "contiguous"),
    Variant("tf32", "contiguous"),
    Variant("tf32", "channels-last"),
    Variant("tf32", "channels-last", graphs=True),
    Variant("bf16", "channels-last"),
    Variant("bf16", "channels-last", graphs=True),
)
REPEATS, STEPS = 5, 10
SECONDS = 4  # of steps, while the GPU is watched


def require_gpu(folder):
    """Throws Refused, with the reason, where harmofl or torch has no GPU."""
    shards = folder / "gpu-shards"
    run_or_error((HARMOFL, "synthesize", "--output", shards, "--size", "32x32", "--sites", 1))
    problem = run_or_error((HARMOFL, "train", "--data.shards", shards, "--device.type", "cuda", "--dry-run"))
    if problem:
        raise Refused(f"no GPU to measure: {problem}")
    python, environment = peer_python()
    if python is None:
        raise Refused(environment)
    problem = run_or_error((python, "-c", "import torch; torch.zeros(1, device='cuda')"), env=environment)
    if problem:
        raise Refused(f"PyTorch has no GPU: {problem}")
    return python, environment


def busy_share(worker, seconds_a_step):
    """Share of the time of some seconds of steps in which the GPU ran a kernel, by the driver's own
    count; None without nvidia-smi."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = [
        "nvidia-smi",
        "--id=0",
        "--query-gpu=utilization.gpu",
        "--format=csv,noheader,nounits",
        "--loop-ms=200",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher:
        worker.do_units(max(1, round(SECONDS / seconds_a_step)))
        watcher.terminate()
        samples = [float(text) for text in watcher.stdout.read().split()]
    middle = samples[3:-1]  # each is over the time before it
    return statistics.fmean(middle) / 100 if middle else None


def compare(folder, case, variant, python, environment):
    precision, layout = variant.precision, variant.layout
    shares = {name: folder / f"share-{name}" for name in ("eager", "compile")}

    def pytorch(name):
        compiled = "true" if name == "compile" else "false"
        return Worker(
            (
                python,
                PEERS / "step.py",
                *words(
                    folder, case, precision, layout, 1, device="cuda", profile=shares[name], compile=compiled
                ),
            ),
            environment=environment,
        )

    name = f"gpu {case.name} {precision} {layout}{' graphs' if variant.graphs else ''}"
    with contextlib.ExitStack() as stack:
        workers = {
            "ours": stack.enter_context(
                Worker(
                    (
                        BUILD / "bench/bench_step",
                        *words(
                            folder,
                            case,
                            precision,
                            layout,
                            1,
                            device="cuda",
                            graphs="true" if variant.graphs else "false",
                        ),
                    )
                )
            )
        }
        for other in shares:
            workers[other] = stack.enter_context(pytorch(other))
        found = measure(case, precision, workers, REPEATS, STEPS)
        busy = busy_share(workers["ours"], statistics.median(found["ours"]))
    if busy is not None:
        yield figure(
            f"{name} busy",
            [busy],
            [1.0],
            None,
            "share",
            "share of harmofl's time in which the GPU computes, by nvidia-smi",
        )
    for other, share in shares.items():
        yield speedup(
            f"{name} {other}",
            found["ours"],
            found[other],
            None,
            f"PyTorch {other} over harmofl, {1 / min(found['ours']):.1f} steps/s at best",
        )
        yield figure(
            f"{name} {other} busy",
            [float(share.read_text())],
            [1.0],
            None,
            "share",
            f"share of the time of PyTorch {other} in which the GPU computes, by torch.profiler",
        )


def sums_over_gpus(quick, python, environment):
    """NCCL's sum of a model's update over all GPUs of this host, against MPI's in host memory."""
    gpus = int(run((python, "-c", "import torch; print(torch.cuda.device_count())"), env=environment))
    if gpus < 2:
        yield missing("gpu allreduce", "a sum over GPUs needs two of them, and here is one")
        return
    values, repeats = (100_000, 3) if quick else (7_800_000, 21)
    yield from allreduce_rows(
        "gpu allreduce",
        gpus,
        (
            BUILD / "bench/bench_gpu_allreduce",
            f"values={values}",
            f"repeats={repeats}",
            "threads=1",
            "device=cuda",
        ),
        None,
        "copies to the host, MPI's sum there, and copies back",
    )


def gpu(quick, folder):
    python, environment = require_gpu(folder)
    yield from sums_over_gpus(quick, python, environment)
    for case in QUICK if quick else chosen(CASES):
        for variant in VARIANTS[:1] if quick else VARIANTS:
            try:
                yield from compare(folder, case, variant, python, environment)
            except SystemExit as problem:  # torch.compile wants more than torch: triton, a compiler
                yield missing(f"gpu {case.name} {variant.precision}", str(problem)[-300:])
