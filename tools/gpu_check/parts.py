# SPDX-License-Identifier: Apache-2.0
"""What is run, in this order: first what is short and decides the rest."""

import fnmatch
import os
import pathlib
import shutil
import subprocess
import sys
from dataclasses import dataclass, field

SKIPPED = 77  # the exit status of a part that cannot be run here; its last line says why
# Where CUDA's tools are, besides PATH.
CUDA_TOOLS = ("/usr/local/cuda/bin", "/opt/cuda/bin")


@dataclass(frozen=True)
class Part:
    """A command with its time limit."""

    name: str
    command: tuple
    limit: int  # seconds
    environment: dict = field(default_factory=dict)
    missing: str = ""  # why it cannot be run here, or ""


def suites(listing):
    """The suites in what a GoogleTest program says to --gtest_list_tests."""
    return [
        line.strip()[:-1] for line in listing.splitlines() if line[:1].strip() and line.strip().endswith(".")
    ]


def list_of(command, environment=None):
    """The lines of a short command; none where it fails, which the part `start` tells of."""
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, **(environment or {})},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def cuda_tool(name):
    """The path of a program of the CUDA toolkit, or None."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(CUDA_TOOLS))


def sanitizer(root):
    tool = cuda_tool("compute-sanitizer")
    command = (
        tool or "compute-sanitizer",
        "--tool=memcheck",
        "--target-processes=all",
        "--error-exitcode=9",
        str(root / "bin/cuda_test"),
        "--gtest_filter=BatchesOnGpu.*",
    )
    missing = "" if tool else "compute-sanitizer is not installed (it is part of the CUDA toolkit)"
    return Part("sanitizer/memcheck", command, 300, missing=missing)


def tests(root):
    """Each suite of the GPU tests by itself, and NCCL's at 1, 2 and 4 ranks."""
    program = str(root / "bin/cuda_test")
    for suite in suites(list_of((program, "--gtest_list_tests"))) or ["*"]:
        yield Part(f"tests/{suite.replace('*', 'all')}", (program, f"--gtest_filter={suite}.*"), 180)
    for ranks in (1, 2, 4):
        command = (str(root / "bin/mpirun"), "-n", str(ranks), str(root / "bin/nccl_test"))
        yield Part(f"tests/nccl-{ranks}", command, 120)


def benchmarks(root, work):
    """The cases of the GPU benchmark, which it lists itself."""
    path = os.pathsep.join([str(root / "bench"), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {"PYTHONPATH": path, "HARMOFL_BUNDLE": str(root)}
    suite = (sys.executable, "-m", "suite.gpu")
    for line in list_of((*suite, "--list"), environment).splitlines():
        name, limit = line.split()
        figures = str(work / "figures" / f"{name.replace('/', '-')}.json")
        yield Part(f"bench/{name}", (*suite, "--case", name, "--json", figures), int(limit), environment)


def smoke(root, work, device):
    command = (sys.executable, "-m", "gpu_check.smoke", str(root), str(work), device)
    return Part(f"train/{device}", command, 180)


def all_parts(root, work):
    """Every part, in order; `work` is a folder for their files."""
    root, work = pathlib.Path(root), pathlib.Path(work)
    return [
        Part("start", (str(root / "bin/harmofl"), "algorithms"), 60),
        smoke(root, work, "cpu"),
        smoke(root, work, "cuda"),
        *tests(root),
        *benchmarks(root, work),
        sanitizer(root),
    ]


def chosen(parts, patterns):
    """The parts whose names match one of the patterns; all without patterns."""
    return [
        part for part in parts if not patterns or any(fnmatch.fnmatch(part.name, one) for one in patterns)
    ]
