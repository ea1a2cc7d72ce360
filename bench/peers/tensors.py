# SPDX-License-Identifier: Apache-2.0
"""Reads what harmofl writes as .safetensors, with torch alone."""

import json

import torch

TYPES = {"F32": torch.float32, "I64": torch.int64}


def read_tensors(path):
    """The tensors of the file, by name."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = bytearray(file.read())
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        kind = TYPES[entry["dtype"]]
        count = (end - begin) // kind.itemsize
        values = torch.frombuffer(data, dtype=kind, count=count, offset=begin) if count else torch.empty(0)
        found[name] = values.reshape(entry["shape"]).clone()
    return found


def read_samples(path):
    """Training images, float32 [N, C, H, W] in [0, 1], int64 targets, the number of classes."""
    found = read_tensors(path)
    return found["images"], found["targets"].long(), int(found["classes"])
