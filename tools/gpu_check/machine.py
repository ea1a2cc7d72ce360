# SPDX-License-Identifier: Apache-2.0
"""What was checked, and on what."""

import os
import pathlib
import platform
import re

from .parts import cuda_tool, list_of


def first_match(path, pattern):
    """What the first group of a pattern finds in a file, or "unknown"."""
    try:
        found = re.search(pattern, pathlib.Path(path).read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else "unknown"


def gpus():
    """A line for each GPU, as the driver's own program tells it."""
    query = "--query-gpu=name,memory.total,driver_version,compute_cap,pci.bus_id"
    return list_of(("nvidia-smi", query, "--format=csv,noheader")).strip()


def describe(root):
    """Names and values for the report. The same on the same machine with the same bundle, so that a
    later call knows whether an earlier one's results hold."""
    return {
        "commit": first_match(root / "BUILD", r'HARMOFL_GIT_COMMIT "(.*)"'),
        "PyTorch": first_match(root / "TORCH", r"(.*)"),
        "system": first_match("/etc/os-release", r'^PRETTY_NAME="?([^"\n]*)'),
        "kernel": platform.release(),
        "C library": " ".join(platform.libc_ver()),
        "Python": platform.python_version(),
        "processor": first_match("/proc/cpuinfo", r"^model name\s*:\s*(.*)"),
        "cores": str(len(os.sched_getaffinity(0))),
        "GPUs": gpus() or "none that nvidia-smi tells of",
        "compute-sanitizer": cuda_tool("compute-sanitizer") or "not installed",
        "nsys": cuda_tool("nsys") or "not installed",
    }
