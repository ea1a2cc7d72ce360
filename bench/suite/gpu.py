# SPDX-License-Identifier: Apache-2.0
"""Steps on a GPU, against PyTorch on the same: a case at a time, each in its time limit.

    python3 -m suite.gpu --list                     the cases, with the seconds that each may take
    python3 -m suite.gpu --case NAME --json FILE    one of them; exit status 77 where it cannot be run here

with bench/ in PYTHONPATH. `bench/run.sh --only gpu` runs all of them. A case is a network, how harmofl
computes its step (precision, memory format, graphs or not), and what that is compared with, which
computes in the same precision and format:

    eager             PyTorch as one writes it
    compile           the passes by torch.compile
    reduce-overhead   the same with mode="reduce-overhead", which records CUDA graphs: the rival of ours
    no-graphs         harmofl itself without graphs

Both sides take steps on the same batches, STEPS in a turn, and are timed from the first to the last
step's loss on the host. What is made once (compiled code, graphs) is made in a turn before.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from .cluster import allreduce_rows
from .figures import figure, missing, speedup, table
from .programs import PEERS, Refused, Worker, bench_program, run, torch_python
from .step import CASES as NETWORKS
from .step import QUICK, Case, measure, words

SKIPPED = 77
CANNOT = "device.type = cuda, but"  # how harmofl begins to say that no GPU can be used
REPEATS, STEPS = 5, 10
SECONDS = 3  # of steps, while the GPU is watched
COMPILED = ("compile", "reduce-overhead")
MODES = {"eager": "none", "compile": "default", "reduce-overhead": "reduce-overhead"}


@dataclass(frozen=True)
class Variant:
    """How the sides compute a step."""

    precision: str
    layout: str
    peer: str
    graphs: bool = False  # on harmofl's side


VARIANTS = (
    Variant("fp32", "contiguous", "eager"),
    Variant("tf32", "channels-last", "eager"),
    Variant("bf16", "channels-last", "eager"),
    Variant("bf16", "channels-last", "no-graphs", graphs=True),
    Variant("bf16", "channels-last", "reduce-overhead", graphs=True),
    Variant("bf16", "channels-last", "compile"),
    Variant("tf32", "channels-last", "reduce-overhead", graphs=True),
)
# Small kernels, where a GPU waits for the host: what graphs are for.
CNN = Case("cnn 32", "cnn", width=16, side=32, batch=16, task="classification", goals={})


@dataclass(frozen=True)
class GpuCase:
    """A network, and how its step is computed."""

    network: Case
    variant: Variant

    @property
    def name(self):
        variant = self.variant
        graphs = "-graphs" if variant.graphs else ""
        return f"{self.network.name.replace(' ', '-')}/{variant.precision}{graphs}/{variant.peer}"

    @property
    def limit(self):
        """Seconds."""
        return 90 if self.variant.peer in COMPILED else 60


ALLREDUCE, ALLREDUCE_LIMIT = "allreduce", 60


def cases(quick=False):
    """In the order in which they are worth a short time on a GPU: every network plainly, then the rest."""
    networks = QUICK if quick else (CNN, *reversed(NETWORKS))
    variants = VARIANTS[:1] if quick else VARIANTS
    return [GpuCase(network, variant) for variant in variants for network in networks]


def limits(quick=False):
    """Seconds that each case may take, by name."""
    return {**{case.name: case.limit for case in cases(quick)}, ALLREDUCE: ALLREDUCE_LIMIT}


def what_compile_lacks(python, environment):
    """Why torch.compile cannot make code for a GPU here, or ""."""
    find = "import importlib.util as u, sys; sys.exit(u.find_spec('triton') is None)"
    if subprocess.run((python, "-c", find), env=environment, check=False).returncode != 0:
        return "torch.compile needs triton, which this Python does not have"
    if not any(shutil.which(name) for name in (os.environ.get("CC", "cc"), "gcc", "clang")):
        return "torch.compile needs a C compiler, and there is none"
    return ""


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


def worker_of(folder, case, peer, device, python, environment):
    """`ours`, or what it is compared with."""
    variant = case.variant
    given = {"batches": STEPS, "device": device}
    if peer not in MODES:
        graphs = "true" if variant.graphs and peer == "ours" else "false"
        options = words(folder, case.network, variant.precision, variant.layout, 1, graphs=graphs, **given)
        return Worker((bench_program("bench_step"), *options))
    mode = MODES[peer]
    options = words(folder, case.network, variant.precision, variant.layout, 1, compile=mode, **given)
    return Worker((python, PEERS / "step.py", *options), environment=environment)


def rows_of(case, found, busy):
    """The figures of a case from seconds a step and shares of busy time, both by side."""
    other, name = case.variant.peer, f"gpu {case.name}"
    fastest = 1 / min(found["ours"])
    what = f"{other} over harmofl, seconds of a step; {fastest:.1f} steps/s at best"
    yield speedup(name, found["ours"], found[other], None, what)
    if None not in busy.values():
        what = f"share of time in which the GPU computes, by nvidia-smi: harmofl over {other}"
        yield figure(f"{name} busy", [busy["ours"]], [busy[other]], None, "share", what)


def refuse_without_gpu(problem):
    """Turns the end of harmofl's side where no GPU is into Refused, with the reason."""
    for line in str(problem).splitlines():
        if CANNOT in line:
            raise Refused(line.strip())
    raise problem


def compare(folder, case, device="cuda"):
    """The rows of one case. On the CPU, with `device`, in tests."""
    python, environment = torch_python()
    if python is None:
        raise Refused(environment)
    other = case.variant.peer
    if other in COMPILED and (lacks := what_compile_lacks(python, environment)):
        raise Refused(lacks)
    with contextlib.ExitStack() as stack:
        try:
            workers = {
                "ours": stack.enter_context(worker_of(folder, case, "ours", device, python, environment))
            }
        except SystemExit as problem:
            refuse_without_gpu(problem)
        workers[other] = stack.enter_context(worker_of(folder, case, other, device, python, environment))
        found = measure(case.network, case.variant.precision, workers, REPEATS, STEPS)
        seconds = {name: statistics.median(times) for name, times in found.items()}
        busy = {name: busy_share(worker, seconds[name]) for name, worker in workers.items()}
    return list(rows_of(case, found, busy))


def sums_over_gpus(quick):
    """NCCL's sum of a model's update over all GPUs of this host, against MPI's in host memory."""
    python, environment = torch_python()
    if python is None:
        raise Refused(environment)
    gpus = int(run((python, "-c", "import torch; print(torch.cuda.device_count())"), env=environment))
    if gpus < 2:
        raise Refused(f"a sum over GPUs needs two of them, and PyTorch sees {gpus} here")
    values, repeats = (100_000, 3) if quick else (7_800_000, 21)
    options = (f"values={values}", f"repeats={repeats}", "threads=1", "device=cuda")
    program = (bench_program("bench_gpu_allreduce"), *options)
    other = "copies to the host, MPI's sum there, and copies back"
    return list(allreduce_rows("gpu allreduce", gpus, program, None, other))


def measured(name, quick=False):
    """The rows of the case of that name."""
    if name == ALLREDUCE:
        return sums_over_gpus(quick)
    case = {case.name: case for case in cases(quick)}[name]
    with tempfile.TemporaryDirectory(prefix="harmofl-gpu-") as folder:
        return compare(pathlib.Path(folder), case)


def in_time(name, limit, quick, folder):
    """The rows of a case that runs as a program of its own; one that says why where it ends without."""
    figures = folder / "figures.json"
    figures.unlink(missing_ok=True)
    command = [sys.executable, "-m", "suite.gpu", "--case", name, "--json", str(figures)]
    command += ["--quick"] if quick else []
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            _, said = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return [missing(f"gpu {name}", f"not done in {limit} s")]
    if process.returncode == 0:
        return json.loads(figures.read_text())
    reason = (said.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
    if process.returncode == SKIPPED and CANNOT in reason:
        raise Refused(reason)
    return [missing(f"gpu {name}", reason[-300:])]


def gpu(quick, folder):
    """All cases, for bench/run.sh."""
    for name, limit in limits(quick).items():
        for row in in_time(name, limit, quick, folder):
            yield {**row, "command": f"python3 -m suite.gpu --case {name}"}


def main():
    parser = argparse.ArgumentParser(prog="suite.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--case")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    known = limits(given.quick)
    if given.list:
        print("\n".join(f"{name} {limit}" for name, limit in known.items()))
        return
    if given.case not in known:
        parser.error(f"--case {given.case}: unknown; --list has them all")
    try:
        rows = [{"family": "gpu", **row} for row in measured(given.case, given.quick)]
    except Refused as reason:
        print(reason, file=sys.stderr)
        sys.exit(SKIPPED)
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(rows, indent=1) + "\n")
    print(table(rows))


if __name__ == "__main__":
    main()
