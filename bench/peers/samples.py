# SPDX-License-Identifier: Apache-2.0
"""Shards and partitions of harmofl, as torch tensors."""

import csv

import h5py
import torch


def read_shard(path):
    """Training images, float32 [N, C, H, W] in [0, 1], int64 targets, the number of classes."""
    with h5py.File(path) as file:
        train = file["train"]
        images = torch.from_numpy(train["images"][:]).float() / float(file.attrs["intensity_scale"])
        targets = train["masks" if "masks" in train else "labels"][:]
        return images, torch.from_numpy(targets).long(), len(file.attrs["class_names"])


def read_partition(path, shard):
    """Rows of the shard that each client trains on, by the client's name, from a partition.csv."""
    with h5py.File(shard) as file:
        rows = {name.decode(): row for row, name in enumerate(file["train/ids"][:])}
    clients = {}
    with open(path, encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            if line["split"] == "train":
                clients.setdefault(line["client"], []).append(rows[line["id"]])
    return {client: torch.tensor(found) for client, found in clients.items()}
