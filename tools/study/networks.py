# SPDX-License-Identifier: Apache-2.0
"""The program's U-Net as TorchScript, with what no key gives: no norm, padding that is not zero, and the
mean of every image taken away in front of it (docs/guides/your-own-network.md)."""

import os
import pathlib

from study.errors import StudyError
from study.experiments import Network

WIDTH, LEVELS, MAX_GROUPS = 8, 4, 8


def torch_modules():
    """PyTorch, which only these networks need."""
    try:
        import torch
    except ImportError:
        raise StudyError(
            "the networks of `factors` need PyTorch: run tools/install-deps.sh --pytorch, and set "
            "PYTHONPATH to .deps/libtorch."
        ) from None
    return torch


def make_network(network: Network, width: int = WIDTH):
    """The U-Net of src/model/networks/unet.cpp for three channels and two classes."""
    torch = torch_modules()
    nn = torch.nn

    class StatelessNorm(nn.Module):
        """Statistics of the batch in evaluation too, nothing to train."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.batch_norm(x, None, None, training=True)

    class Centre(nn.Module):
        """Takes from every image and channel its mean."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x - x.mean(dim=(2, 3), keepdim=True)

    def norm(channels: int) -> nn.Module:
        groups = next(count for count in range(min(MAX_GROUPS, channels), 0, -1) if channels % count == 0)
        return {
            "batch-stateless": StatelessNorm,
            "batch": lambda: nn.BatchNorm2d(channels),
            "group": lambda: nn.GroupNorm(groups, channels),
            "none": nn.Identity,
        }[network.norm]()

    def block(inside: int, outside: int) -> nn.Sequential:
        # Without a norm nothing else would move the level of a channel.
        options = {"padding": 1, "padding_mode": network.padding, "bias": network.norm == "none"}
        first, second = nn.Conv2d(inside, outside, 3, **options), nn.Conv2d(outside, outside, 3, **options)
        return nn.Sequential(first, norm(outside), nn.ReLU(), second, norm(outside), nn.ReLU())

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            widths = [width << level for level in range(LEVELS + 1)]
            self.front = Centre() if network.centred else nn.Identity()
            self.down1, self.down2 = block(3, widths[0]), block(widths[0], widths[1])
            self.down3, self.down4 = block(widths[1], widths[2]), block(widths[2], widths[3])
            self.bottom = block(widths[3], widths[4])
            self.rise4 = nn.ConvTranspose2d(widths[4], widths[3], 2, stride=2)
            self.rise3 = nn.ConvTranspose2d(widths[3], widths[2], 2, stride=2)
            self.rise2 = nn.ConvTranspose2d(widths[2], widths[1], 2, stride=2)
            self.rise1 = nn.ConvTranspose2d(widths[1], widths[0], 2, stride=2)
            self.up4, self.up3 = block(2 * widths[3], widths[3]), block(2 * widths[2], widths[2])
            self.up2, self.up1 = block(2 * widths[1], widths[1]), block(2 * widths[0], widths[0])
            self.head = nn.Conv2d(widths[0], 2, 1)
            self.pool = nn.MaxPool2d(2)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            a = self.down1(self.front(images))
            b = self.down2(self.pool(a))
            c = self.down3(self.pool(b))
            d = self.down4(self.pool(c))
            x = self.up4(torch.cat([self.rise4(self.bottom(self.pool(d))), d], 1))
            x = self.up3(torch.cat([self.rise3(x), c], 1))
            x = self.up2(torch.cat([self.rise2(x), b], 1))
            return self.head(self.up1(torch.cat([self.rise1(x), a], 1)))

    return UNet()


def save_network(network: Network, seed: int, folder: pathlib.Path) -> pathlib.Path:
    """The file of a network with the initial weights of a seed, made if need be. Weights of one seed are
    the same for all paddings, and with and without `centred`."""
    path = folder / f"{network.name}-seed{seed}.pt"
    if not path.is_file():
        torch = torch_modules()
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(seed)
        part = folder / f".{path.name}.{os.getpid()}"
        torch.jit.script(make_network(network)).save(str(part))
        part.rename(path)
    return path
