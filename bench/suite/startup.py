# SPDX-License-Identifier: Apache-2.0
"""Seconds from the launch to the first step, against what launching and loading alone takes."""

import json
import os
import subprocess
import time

from .figures import figure, missing
from .programs import BUILD, CORES, mpirun, peer_python, run, synthesize, train


def harmofl(folder, ranks, number):
    """Seconds from the launch until the first step of a run begins: to the end of its first round,
    of one tiny step a rank, without the seconds of that round."""
    output = folder / f"startup-{ranks}-{number}"
    command = train(
        folder / f"startup-{ranks}",
        output,
        "--algorithm.name",
        "fedavg",
        "--data.batch_size",
        4,
        "--run.rounds",
        1,
        "--device.threads",
        1,
    )
    words = [str(w) for w in (mpirun(ranks, *command) if ranks > 1 else command)]
    start = time.perf_counter()
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(ranks)
    ) as process:
        path = output / "rounds.jsonl"
        while process.poll() is None and not (path.exists() and path.read_bytes().endswith(b"\n")):
            time.sleep(0.001)
        seconds = time.perf_counter() - start
    return seconds - json.loads(path.read_text())["seconds"]


def environment(ranks):
    """More ranks than cores leave them to one another while they wait."""
    if ranks <= len(CORES):
        return dict(os.environ)
    return {**os.environ, "OMPI_MCA_mpi_yield_when_idle": "1"}


def timed(command, **options):
    start = time.perf_counter()
    run(command, **options)
    return time.perf_counter() - start


def startup(quick, folder):
    repeats = 1 if quick else 5
    python, peers = peer_python()
    for ranks in (1, 4):
        synthesize(folder / f"startup-{ranks}", ranks, 4, "32x32")
        harmofl(folder, ranks, "warm")
        ours, hello, torch = [], [], []
        for i in range(repeats):
            ours.append(harmofl(folder, ranks, i))
            hello.append(timed(mpirun(ranks, BUILD / "bench/bench_hello"), env=environment(ranks)))
            if python and ranks == 1:
                torch.append(timed((python, "-c", "import torch"), env=peers))
        crowd = f", more than the {len(CORES)} cores" if ranks > len(CORES) else ""
        yield figure(
            f"startup {ranks} rank(s)",
            ours,
            hello,
            None,
            "s",
            f"from launch to first step, {ranks} rank(s){crowd}, over mpirun of a program "
            "that only starts and ends MPI",
        )
        if torch:
            yield figure(
                "startup import torch",
                ours,
                torch,
                None,
                "s",
                "from launch to first step, over Python's import torch",
            )
        elif ranks == 1:
            yield missing("startup import torch", peers)
