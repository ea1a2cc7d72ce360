# SPDX-License-Identifier: Apache-2.0
"""What a recomputation reads besides the configuration: shards and checkpoints."""

import csv
import dataclasses
import json
import pathlib

import h5py
import numpy
import torch

from .settings import InputError


@dataclasses.dataclass
class Site:
    """Training images and labels of one client, as the network sees them, in the order of the
    shards. It trains on `samples` of them in an epoch; `client` is its number."""

    name: str
    images: torch.Tensor
    labels: torch.Tensor
    samples: int
    client: int


@dataclasses.dataclass
class Federation:
    """All sites with what they agree on."""

    sites: list
    channels: int
    classes: int


def text_of(value):
    """A string attribute, of fixed or variable length."""
    return value.decode() if isinstance(value, bytes) else str(value)


class Shard:
    """The training images of a shard."""

    def __init__(self, path):
        with h5py.File(path) as file:
            group = file["train"]
            labels = group["masks"] if "masks" in group else group["labels"]
            images = torch.from_numpy(group["images"][()].astype(numpy.float32))
            self.images = images / torch.tensor(file.attrs["intensity_scale"], dtype=torch.float32)
            self.labels = torch.from_numpy(labels[()].astype(numpy.int64))
            self.site = text_of(file.attrs["site"])
            self.classes = len(file.attrs["class_names"])
            self.rows = {text_of(name): row for row, name in enumerate(group["ids"][()])}


def read_federation(settings, partition):
    """The clients of a run: a site for each *.h5 of data.shards, by sorted file names, or what the
    table `partition` of the run folder says."""
    paths = sorted(pathlib.Path(settings.data_shards).glob("*.h5"), key=lambda path: path.name)
    if not paths:
        raise InputError(f"{settings.data_shards}: no *.h5 there")
    try:
        shards = [Shard(path) for path in paths]
        sites = by_site(shards) if settings.data_partition == "site" else dealt(shards, partition)
    except (OSError, KeyError) as error:
        raise InputError(f"{settings.data_shards}: {error}") from None
    if settings.data_truncate:
        smallest = min(site.samples for site in sites)
        for site in sites:
            site.samples = smallest
    return Federation(sites, shards[0].images.shape[1], shards[0].classes)


def by_site(shards):
    return [
        Site(shard.site, shard.images, shard.labels, len(shard.images), client)
        for client, shard in enumerate(shards)
    ]


def dealt(shards, partition):
    """Clients in the order in which partition.csv names them first; the images of each in the order
    of the shards. Clients without training images are none."""
    numbers = {shard.site: number for number, shard in enumerate(shards)}
    held = {}
    with open(partition, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            samples = held.setdefault(row["client"], [])
            if row["split"] == "train":
                number = numbers[row["site"]]
                samples.append((number, shards[number].rows[row["id"]]))
    check_dealt(partition, held, shards)
    sites = []
    for name, samples in held.items():
        if not samples:
            continue
        images = torch.stack([shards[shard].images[row] for shard, row in sorted(samples)])
        labels = torch.stack([shards[shard].labels[row] for shard, row in sorted(samples)])
        sites.append(Site(name, images, labels, len(samples), len(sites)))
    return sites


def check_dealt(partition, held, shards):
    """Every training image belongs to exactly one client."""
    dealt_out = sorted(sample for samples in held.values() for sample in samples)
    everything = [(i, row) for i, shard in enumerate(shards) for row in range(len(shard.images))]
    if dealt_out != everything:
        raise InputError(f"{partition}: does not deal every training image to one client")


def aggregation_weights(settings, sites):
    """p_i: 1/K, or in proportion to the samples that a client trains with."""
    if settings.data_weights == "uniform":
        return [1 / len(sites)] * len(sites)
    total = sum(site.samples for site in sites)
    return [site.samples / total for site in sites]


def read_rounds(path):
    """The lines of rounds.jsonl."""
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}") from None


def tensor_of(dataset):
    return torch.from_numpy(numpy.array(dataset[()], dtype=numpy.float32))


def read_group(file, path):
    """Tensors of a group by name; none where the group is missing."""
    if path not in file:
        return {}
    return {name: tensor_of(dataset) for name, dataset in file[path].items()}


class Checkpoint:
    """The tensors of a checkpoint; `order`: parameters, then buffers, each by its index."""

    def __init__(self, path):
        self.path = path
        try:
            with h5py.File(path) as file:
                self.read(file)
        except (OSError, KeyError) as error:
            raise InputError(f"{path}: {error}") from None

    def read(self, file):
        self.rounds = int(file.attrs["rounds_done"])
        self.model = read_group(file, "model")
        self.server = read_group(file, "server")
        sites = file["clients"] if "clients" in file else {}
        self.clients = {site: read_group(file, f"clients/{site}") for site in sites}
        items = sorted(file["model"].items(), key=lambda item: int(item[1].attrs["index"]))
        roles = {name: text_of(dataset.attrs["role"]) for name, dataset in items}
        self.parameters = [name for name in roles if roles[name] == "parameter"]
        self.order = self.parameters + [name for name in roles if roles[name] == "buffer"]

    def undo_channels_last(self):
        """Reorders flat vectors over the parameters (and what follows them) of a run with
        channels-last weights, [O, H, W, I], as PyTorch flattens them."""
        for group in (self.server, *self.clients.values()):
            for name, vector in group.items():
                if vector.dim() == 1 and not name.startswith("local."):
                    group[name] = self.reordered(vector)

    def reordered(self, vector):
        shapes = [self.model[name].shape for name in self.parameters]
        sizes = [shape.numel() for shape in shapes]
        if vector.numel() < sum(sizes):
            return vector
        *parts, rest = vector.split([*sizes, vector.numel() - sum(sizes)])
        for i, shape in enumerate(shapes):
            if len(shape) == 4:
                o, c, h, w = shape
                parts[i] = parts[i].view(o, h, w, c).permute(0, 3, 1, 2).reshape(-1)
        return torch.cat([*parts, rest])
