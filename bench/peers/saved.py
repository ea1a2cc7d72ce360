# SPDX-License-Identifier: Apache-2.0
"""Bytes that autograd keeps for the backward pass of one forward pass in plain PyTorch.

    saved.py network=unet width=32 shard=FILE weights=FILE batch=4 threads=1

Prints one number: every tensor that is kept counted once, weights left out.
"""

import turns

words = turns.setting()
torch = turns.single_threaded(words["threads"])

from networks import load_network, loss_of  # noqa: E402
from samples import read_shard  # noqa: E402


def main():
    images, targets, classes = read_shard(words["shard"])
    batch = int(words["batch"])
    network = load_network(words["network"], words["width"], classes, words["weights"])
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        value = loss_of(words["network"])(network(images[:batch]), targets[:batch])
    assert value.requires_grad  # the graph, and so all that it keeps, is still there
    print(sum(kept.values()))


if __name__ == "__main__":
    main()
