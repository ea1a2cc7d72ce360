"""The steps of the family `step` on a GPU, against PyTorch eager and torch.compile on the same."""

import contextlib

from .figures import figure, missing, speedup
from .programs import BUILD, HARMOFL, PEERS, Refused, Worker, chosen, peer_python, run_or_error
from .step import CASES, QUICK, measure, words

# precision, format, CUDA graphs
VARIANTS = (("fp32", "contiguous", "false"), ("tf32", "contiguous", "false"),
            ("tf32", "channels-last", "false"), ("tf32", "channels-last", "true"),
            ("bf16", "channels-last", "false"), ("bf16", "channels-last", "true"))
REPEATS, STEPS = 5, 10


def require_gpu(folder):
    """Throws Refused, with the reason, where harmofl or torch has no GPU."""
    shards = folder / "gpu-shards"
    run_or_error((HARMOFL, "synthesize", "--output", shards, "--size", "32x32", "--sites", 1))
    problem = run_or_error((HARMOFL, "train", "--data.shards", shards, "--device.type", "cuda",
                            "--dry-run"))
    if problem:
        raise Refused(f"no GPU to measure: {problem}")
    python, environment = peer_python()
    if python is None:
        raise Refused(environment)
    problem = run_or_error((python, "-c", "import torch; torch.zeros(1, device='cuda')"),
                           env=environment)
    if problem:
        raise Refused(f"PyTorch has no GPU: {problem}")
    return python, environment


def compare(folder, case, variant, python, environment):
    precision, layout, graphs = variant
    share = folder / "share"

    def pytorch(compiled):
        return Worker((python, PEERS / "step.py",
                       *words(folder, case, precision, layout, 1, device="cuda", profile=share,
                              compile=compiled)), environment=environment)

    name = f"gpu {case[0]} {precision} {layout}{' graphs' if graphs == 'true' else ''}"
    with contextlib.ExitStack() as stack:
        workers = {"ours": stack.enter_context(Worker(
            (BUILD / "bench/bench_step",
             *words(folder, case, precision, layout, 1, device="cuda", graphs=graphs))))}
        workers["eager"] = stack.enter_context(pytorch("false"))
        workers["compile"] = stack.enter_context(pytorch("true"))
        found = measure(case, precision, workers, REPEATS, STEPS)
    for other in ("eager", "compile"):
        yield speedup(f"{name} {other}", found["ours"], found[other], None,
                      f"PyTorch {other} over harmofl, {1 / min(found['ours']):.1f} steps/s at best")
    if share.exists():
        yield figure(f"{name} busy", [float(share.read_text())], [1.0], None, "share",
                     "share of PyTorch's time in which the GPU computes")


def gpu(quick, folder):
    python, environment = require_gpu(folder)
    for case in QUICK if quick else chosen(CASES):
        for variant in VARIANTS[:1] if quick else VARIANTS:
            try:
                yield from compare(folder, case, variant, python, environment)
            except SystemExit as problem:  # torch.compile wants more than torch: triton, a compiler
                yield missing(f"gpu {case[0]} {variant[0]}", str(problem)[-300:])
