# SPDX-License-Identifier: Apache-2.0
"""The networks: forward() returns logits and features [B, F]."""

import torch
from torch import nn
from torch.nn import functional

from .settings import InputError

COUNTER = "num_batches_tracked"


def make_norm(kind, channels):
    if kind == "batch-stateless":
        return nn.BatchNorm2d(channels, affine=False, track_running_stats=False)
    if kind == "batch":
        norm = nn.BatchNorm2d(channels)
        # Averages of counters need not be whole numbers.
        norm.register_buffer(COUNTER, torch.zeros(()))
        return norm
    if kind == "group":
        groups = max(count for count in range(1, 9) if channels % count == 0)
        return nn.GroupNorm(groups, channels)
    raise InputError(f"model.norm = {kind} is unknown here")


class Cnn(nn.Module):
    """Three times (convolution, norm, ReLU, max-pool 2), global mean, linear."""

    def __init__(self, channels, classes, width, norm):
        super().__init__()
        sizes = [channels, width, 2 * width, 4 * width]
        for level in (1, 2, 3):
            convolution = nn.Conv2d(sizes[level - 1], sizes[level], 3, padding=1)
            self.add_module(f"conv{level}", convolution)
            self.add_module(f"bn{level}", make_norm(norm, sizes[level]))
        self.classifier = nn.Linear(sizes[3], classes)
        self.feature_count = sizes[3]

    def forward(self, images):
        x = images
        for level in (1, 2, 3):
            x = self.get_submodule(f"conv{level}")(x)
            x = functional.relu(self.get_submodule(f"bn{level}")(x))
            x = functional.max_pool2d(x, 2)
        features = x.mean(dim=(2, 3))
        return self.classifier(features), features


def unet_block(inputs, outputs, prefix, norm):
    """Twice (3x3 convolution without bias, norm, ReLU)."""
    block = nn.Sequential()
    for index, source in ((1, inputs), (2, outputs)):
        convolution = nn.Conv2d(source, outputs, 3, padding=1, bias=False)
        block.add_module(f"{prefix}_conv{index}", convolution)
        block.add_module(f"{prefix}_bn{index}", make_norm(norm, outputs))
        block.add_module(f"{prefix}_relu{index}", nn.ReLU())
    return block


class UNet(nn.Module):
    """Four levels down, a bottleneck, four levels up with skips by concatenation."""

    def __init__(self, channels, classes, width, norm):
        super().__init__()
        sizes = [channels] + [width * 2**level for level in range(5)]
        for level in (1, 2, 3, 4):
            encoder = unet_block(sizes[level - 1], sizes[level], f"enc{level}", norm)
            self.add_module(f"encoder{level}", encoder)
        self.bottleneck = unet_block(sizes[4], sizes[5], "bottleneck", norm)
        for level in (4, 3, 2, 1):
            up = nn.ConvTranspose2d(sizes[level + 1], sizes[level], 2, stride=2)
            self.add_module(f"upconv{level}", up)
            decoder = unet_block(2 * sizes[level], sizes[level], f"dec{level}", norm)
            self.add_module(f"decoder{level}", decoder)
        self.conv = nn.Conv2d(sizes[1], classes, 1)
        self.feature_count = sizes[5]

    def forward(self, images):
        x = images
        skips = {}
        for level in (1, 2, 3, 4):
            skips[level] = self.get_submodule(f"encoder{level}")(x)
            x = functional.max_pool2d(skips[level], 2)
        x = self.bottleneck(x)
        features = x.mean(dim=(2, 3))
        for level in (4, 3, 2, 1):
            x = self.get_submodule(f"upconv{level}")(x)
            x = self.get_submodule(f"decoder{level}")(torch.cat((x, skips[level]), dim=1))
        return self.conv(x), features


def make_model(settings, channels, classes):
    """The network of a configuration, with the projection head if there is one."""
    kinds = {"cnn": Cnn, "unet": UNet}
    if settings.model_name not in kinds:
        raise InputError(f"model.name = {settings.model_name} is unknown here")
    model = kinds[settings.model_name](channels, classes, settings.model_width, settings.model_norm)
    if settings.model_projection == "mlp":
        count = model.feature_count
        model.projection = nn.Sequential(nn.Linear(count, count), nn.ReLU(), nn.Linear(count, 256))
    return model.train()


def norm_names(model):
    """Names of all parameters and buffers of normalisation layers."""
    return {
        f"{prefix}.{name}"
        for prefix, module in model.named_modules()
        if isinstance(module, (nn.BatchNorm2d, nn.GroupNorm))
        for name in module.state_dict()
    }


def is_counter(name):
    return name.endswith(f".{COUNTER}")
