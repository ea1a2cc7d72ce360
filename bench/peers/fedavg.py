# SPDX-License-Identifier: Apache-2.0
"""What the peers' rounds have in common: clients, cohorts, the model, a client's work."""

import json

import torch
import torch.nn.functional as F

from networks import load_network
from samples import read_partition, read_shard


class Federation:
    """The clients' samples, cut into batches once, and who takes part in which round."""

    def __init__(self, words):
        images, targets, self.classes = read_shard(words["shard"])
        if words.get("format") == "channels-last":
            images = images.contiguous(memory_format=torch.channels_last)
        self.words, self.loss = words, F.cross_entropy
        self.batch = int(words["batch"])
        self.clients = {}
        for client, rows in read_partition(words["partition"], words["shard"]).items():
            self.clients[client] = (images[rows], targets[rows])
        with open(words["cohorts"], encoding="utf-8") as file:
            self.cohorts = json.load(file)

    def network(self):
        words = self.words
        network = load_network("cnn", words["width"], self.classes, words["weights"])
        if words.get("format") == "channels-last":
            network = network.to(memory_format=torch.channels_last)
        return network

    def cohort(self, number):
        """Names of the clients of a round; they come around again."""
        return self.cohorts[number % len(self.cohorts)]


def one_epoch(model, loss, images, targets, batch):
    """One epoch of SGD; the mean of the losses."""
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    total = 0.0
    starts = range(0, len(images), batch)
    for start in starts:
        sgd.zero_grad()
        value = loss(model(images[start : start + batch]), targets[start : start + batch])
        value.backward()
        sgd.step()
        total += value.item()
    return total / len(starts)


def save(state, path):
    """Writes a state_dict as safetensors."""
    from safetensors.torch import save_file

    save_file({name: tensor.detach().contiguous() for name, tensor in state.items()}, path)
