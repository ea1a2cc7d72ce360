# SPDX-License-Identifier: Apache-2.0
"""Models of checkpoints (docs/checkpoint-format.md)."""

import pathlib
from typing import TYPE_CHECKING

import h5py
import numpy

from harmofl_runs.errors import RunError
from harmofl_runs.hdf5 import open_file

if TYPE_CHECKING:
    import torch

DAMAGED = "Verify the file with `harmofl inspect`."


def _group(file: h5py.File, group: str) -> h5py.Group:
    found = file.get(group)
    if not isinstance(found, h5py.Group):
        clients = [f"clients/{name}" for name in file.get("clients", {})]
        known = ", ".join([name for name in ("model", "server") if name in file] + clients)
        raise RunError(file.filename, f"has no group '{group}'", f"It has: {known}.")
    return found


def state_dict(path: str | pathlib.Path, group: str = "model") -> dict[str, numpy.ndarray]:
    """The float32 tensors of a group by name, in the model's order: `model`, `server`, or `clients/SITE`.

    The running amplitude of HarmoFL is the tensor `amp_norm.running_amp` of the model."""
    with open_file(path, "rounds_done", "checkpoint") as file:
        tensors = _group(file, group)
        indices = {name: int(data.attrs.get("index", -1)) for name, data in tensors.items()}
        if sorted(indices.values()) != list(range(len(indices))):
            found = f"the indices of the tensors of '{group}' are {sorted(indices.values())}"
            raise RunError(path, found, DAMAGED)
        try:
            return {name: tensors[name][()] for name in sorted(indices, key=indices.__getitem__)}
        except OSError as error:
            raise RunError(path, f"a tensor of '{group}' cannot be read ({error})", DAMAGED) from None


def torch_state_dict(path: str | pathlib.Path, group: str = "model") -> "dict[str, torch.Tensor]":
    """`state_dict` as tensors of PyTorch, which must be there to import (tools/install-deps.sh --pytorch)."""
    import torch

    return {name: torch.from_numpy(numpy.array(value)) for name, value in state_dict(path, group).items()}


def client_names(path: str | pathlib.Path) -> list[str]:
    """The clients of whom a checkpoint keeps something, each a group `clients/NAME`."""
    with open_file(path, "rounds_done", "checkpoint") as file:
        return sorted(file.get("clients", {}))
