# SPDX-License-Identifier: Apache-2.0
"""The networks in plain PyTorch, with the names of harmofl's tensors: either loads the other's.

Batch norms have the batch's statistics in training and evaluation, and no weights of their own
(harmofl's model.norm = batch-stateless).
"""

import torch
import torch.nn.functional as F
from tensors import read_tensors
from torch import nn


def batch_norm(channels):
    return nn.BatchNorm2d(channels, affine=False, track_running_stats=False)


def conv(before, after, side):
    return nn.Conv2d(before, after, side, padding=side // 2, bias=False)


class UNetBlock(nn.Module):
    """Two 3x3 convolutions, each with norm and ReLU."""

    def __init__(self, prefix, before, after):
        super().__init__()
        self.prefix = prefix
        self.add_module(f"{prefix}_conv1", conv(before, after, 3))
        self.add_module(f"{prefix}_bn1", batch_norm(after))
        self.add_module(f"{prefix}_conv2", conv(after, after, 3))
        self.add_module(f"{prefix}_bn2", batch_norm(after))

    def forward(self, x):
        for k in (1, 2):
            x = getattr(self, f"{self.prefix}_conv{k}")(x)
            x = F.relu(getattr(self, f"{self.prefix}_bn{k}")(x), inplace=True)
        return x


class UNet(nn.Module):
    """Four levels down, four up, with skip connections; two classes."""

    def __init__(self, width, classes):
        super().__init__()
        widths = [width << level for level in range(4)]
        before = 3
        for level, after in enumerate(widths, start=1):
            self.add_module(f"encoder{level}", UNetBlock(f"enc{level}", before, after))
            before = after
        self.bottleneck = UNetBlock("bottleneck", before, 2 * before)
        for level, after in reversed(list(enumerate(widths, start=1))):
            self.add_module(f"upconv{level}", nn.ConvTranspose2d(2 * after, after, 2, stride=2))
            self.add_module(f"decoder{level}", UNetBlock(f"dec{level}", 2 * after, after))
        self.conv = nn.Conv2d(width, classes, 1)

    def forward(self, x):
        skips = []
        for level in (1, 2, 3, 4):
            x = getattr(self, f"encoder{level}")(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.bottleneck(x)
        for level in (4, 3, 2, 1):
            x = torch.cat([getattr(self, f"upconv{level}")(x), skips.pop()], 1)
            x = getattr(self, f"decoder{level}")(x)
        return self.conv(x)


class DenseLayer(nn.Module):
    def __init__(self, before, growth):
        super().__init__()
        self.norm1, self.conv1 = batch_norm(before), conv(before, 4 * growth, 1)
        self.norm2, self.conv2 = batch_norm(4 * growth), conv(4 * growth, growth, 3)

    def forward(self, x):
        new = self.conv1(F.relu(self.norm1(x), inplace=True))
        new = self.conv2(F.relu(self.norm2(new), inplace=True))
        return torch.cat([x, new], 1)


class Transition(nn.Module):
    def __init__(self, before):
        super().__init__()
        self.norm, self.conv = batch_norm(before), conv(before, before // 2, 1)

    def forward(self, x):
        return F.avg_pool2d(self.conv(F.relu(self.norm(x), inplace=True)), 2)


class DenseNet121(nn.Module):
    """DenseNet-121 with the padding of HarmoFL's authors in front of the first transition."""

    def __init__(self, growth, classes):
        super().__init__()
        channels = 2 * growth
        self.features = nn.Module()
        self.features.conv0 = nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False)
        self.features.norm0 = batch_norm(channels)
        for number, layers in enumerate((6, 12, 24, 16), start=1):
            block = nn.Sequential()
            for layer in range(1, layers + 1):
                block.add_module(f"denselayer{layer}", DenseLayer(channels, growth))
                channels += growth
            self.features.add_module(f"denseblock{number}", block)
            if number < 4:
                self.features.add_module(f"transition{number}", Transition(channels))
                channels //= 2
        self.features.norm5 = batch_norm(channels)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x):
        features = self.features
        x = F.relu(features.norm0(features.conv0(x)), inplace=True)
        x = F.max_pool2d(x, 3, 2, 1)
        for number in (1, 2, 3, 4):
            x = getattr(features, f"denseblock{number}")(x)
            if number == 1:
                x = F.pad(x, (2, 2, 2, 2))
            if number < 4:
                x = getattr(features, f"transition{number}")(x)
        return self.classifier(F.relu(features.norm5(x), inplace=True).mean((2, 3)))


class Cnn(nn.Module):
    """Three times 3x3 convolution, norm, ReLU and pooling; the mean; a linear layer."""

    def __init__(self, width, classes):
        super().__init__()
        before = 3
        for number in (1, 2, 3):
            after = width << (number - 1)
            self.add_module(f"conv{number}", nn.Conv2d(before, after, 3, padding=1))
            self.add_module(f"bn{number}", batch_norm(after))
            before = after
        self.classifier = nn.Linear(before, classes)

    def forward(self, x):
        for number in (1, 2, 3):
            x = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(x))
            x = F.max_pool2d(F.relu(x, inplace=True), 2)
        return self.classifier(x.mean((2, 3)))


NETWORKS = {"unet": UNet, "densenet121": DenseNet121, "cnn": Cnn}


def load_network(name, width, classes, weights):
    """The network with the weights of a safetensors file that harmofl wrote."""
    network = NETWORKS[name](int(width), classes)
    tensors = read_tensors(weights)
    network.load_state_dict({k: v for k, v in tensors.items() if not k.startswith("amp_norm.")})
    return network


def segmentation_loss(logits, masks):
    """The mean of cross entropy and soft Dice loss, as harmofl's cross-entropy-dice."""
    p = logits.softmax(1)
    y = F.one_hot(masks, logits.shape[1]).movedim(-1, 1).to(p.dtype)
    both, sizes = (p * y).sum((0, 2, 3)), p.sum((0, 2, 3)) + y.sum((0, 2, 3))
    dice = 1 - ((2 * both + 1e-5) / (sizes + 1e-5)).mean()
    return (F.cross_entropy(logits, masks) + dice) / 2


def loss_of(name):
    return segmentation_loss if name == "unet" else F.cross_entropy
