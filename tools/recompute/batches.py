# SPDX-License-Identifier: Apache-2.0
"""The batches of a client's local epochs: which images, in which order, and how turned."""

import torch

from .random_numbers import Stream


def symmetry(stream, square):
    """Quarter turns and the axes of a flip, as one image draws them: a rotation by any multiple of
    90 degrees (180 where the image is not square), then with probability 3/4 a flip of columns,
    rows or both."""
    quarters = stream.below(4)
    if not square:
        quarters = 2 * (quarters % 2)
    axes = ()
    if stream.uniform() < 0.75:
        axes = ((-1,), (-2,), (-2, -1))[stream.below(3)]
    return quarters, axes


def turned(image, quarters, axes):
    return torch.flip(torch.rot90(image, quarters, (-2, -1)), axes)


def augmented(images, labels, stream):
    """Every image turned by its own draw; masks move with their images, labels stay."""
    square = images.shape[-1] == images.shape[-2]
    images, labels = images.clone(), labels.clone()
    for index in range(len(images)):
        drawn = symmetry(stream, square)
        images[index] = turned(images[index], *drawn)
        if labels.dim() == 3:
            labels[index] = turned(labels[index], *drawn)
    return images, labels


def stored_batches(site, settings, count):
    """The first `count` images in the order of the shards."""
    size = settings.data_batch_size
    return list(zip(site.images[:count].split(size), site.labels[:count].split(size)))


def batches(site, settings, round_index, epoch):
    """The batches of one local epoch; the last may be smaller."""
    if not settings.data_shuffle:
        return stored_batches(site, settings, site.samples)
    # Epochs differ by bits 32 and up of the seed.
    seed = settings.run_seed ^ (epoch << 32)
    order = Stream(seed, round_index, site.client, "shuffle").permutation(len(site.images))
    turns = Stream(seed, round_index, site.client, "augmentation")
    made = []
    for first in range(0, site.samples, settings.data_batch_size):
        rows = order[first : min(first + settings.data_batch_size, site.samples)]
        images, labels = site.images[rows], site.labels[rows]
        made.append(augmented(images, labels, turns) if settings.data_augment else (images, labels))
    return made
