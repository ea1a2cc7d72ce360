# SPDX-License-Identifier: Apache-2.0
"""What a recomputation reads besides the configuration: shards and checkpoints."""

import dataclasses
import pathlib

import h5py
import numpy
import torch

from .settings import InputError


@dataclasses.dataclass
class Site:
    """Training data of one client, in batches as they come in every epoch."""

    name: str
    samples: int
    batches: list


@dataclasses.dataclass
class Federation:
    """All sites with what they agree on."""

    sites: list
    channels: int
    classes: int


def text_of(value):
    """A string attribute, of fixed or variable length."""
    return value.decode() if isinstance(value, bytes) else str(value)


def training_count(path):
    with h5py.File(path) as file:
        return file["train/images"].shape[0]


def read_site(path, count, batch_size):
    """The first `count` training samples of a shard, in batches; the last may be smaller."""
    with h5py.File(path) as file:
        group = file["train"]
        labels = group["masks"] if "masks" in group else group["labels"]
        images = torch.from_numpy(group["images"][:count].astype(numpy.float32))
        images = images / torch.tensor(file.attrs["intensity_scale"], dtype=torch.float32)
        labels = torch.from_numpy(labels[:count].astype(numpy.int64))
        name = text_of(file.attrs["site"])
    batches = list(zip(images.split(batch_size), labels.split(batch_size)))
    return Site(name, count, batches)


def read_federation(settings):
    """One site for each *.h5 of data.shards, by sorted file names."""
    paths = sorted(pathlib.Path(settings.data_shards).glob("*.h5"), key=lambda path: path.name)
    if not paths:
        raise InputError(f"{settings.data_shards}: no *.h5 there")
    try:
        return read_sites(settings, paths)
    except (OSError, KeyError) as error:
        raise InputError(f"{settings.data_shards}: {error}") from None


def read_sites(settings, paths):
    """The shards; each client has as many samples as the smallest where data.truncate is true."""
    counts = [training_count(path) for path in paths]
    if settings.data_truncate:
        counts = [min(counts)] * len(counts)
    sites = [
        read_site(path, count, settings.data_batch_size) for path, count in zip(paths, counts)
    ]
    with h5py.File(paths[0]) as file:
        channels = file["train/images"].shape[1]
        classes = len(file.attrs["class_names"])
    return Federation(sites, channels, classes)


def aggregation_weights(settings, sites):
    """p_i: 1/K, or in proportion to the samples that a client trains with."""
    if settings.data_weights == "uniform":
        return [1 / len(sites)] * len(sites)
    total = sum(site.samples for site in sites)
    return [site.samples / total for site in sites]


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
