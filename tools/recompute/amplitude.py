# SPDX-License-Identifier: Apache-2.0
"""Amplitude normalisation: the layer in front of the network."""

import math

import torch

from .settings import InputError


def band_mask(band, height, width):
    """True at the frequencies whose amplitude is replaced."""
    if band == "full":
        return torch.ones(height, width, dtype=torch.bool)
    if band == "dc":
        half = 0
    elif band.startswith("low:"):
        half = math.floor(min(height, width) * float(band[4:]))
    else:
        raise InputError(f"amplitude.band = {band} is unknown here")
    # {|k_y| <= b, |k_x| <= b}, b = floor(min(H, W) L), k the signed frequencies
    rows = (torch.fft.fftfreq(height) * height).round().abs() <= half
    columns = (torch.fft.fftfreq(width) * width).round().abs() <= half
    return rows[:, None] & columns[None, :]


class Amplitude:
    """The layer in front of the network of one client: its running amplitude R."""

    def __init__(self, settings):
        self.settings = settings
        self.running = None
        self.frozen = False

    def __call__(self, images):
        """The images as the network sees them; moves R while it is not frozen."""
        if self.settings.amplitude_band == "off":
            return images
        if not self.frozen:
            self.move(self.batch_mean(images))
        if self.settings.amplitude_band == "dc":
            return self.shifted(images)
        return self.replaced(images)

    def batch_mean(self, images):
        """Abar [C, H, W]; of the band dc only A_00 = |sum x| unless all is to be recorded."""
        if self.settings.amplitude_band != "dc" or self.settings.amplitude_record != "band":
            return torch.fft.fft2(images.double()).abs().to(images.dtype).mean(dim=0)
        mean = torch.zeros(images.shape[1:], dtype=images.dtype)
        mean[:, 0, 0] = images.double().sum(dim=(2, 3)).abs().to(images.dtype).mean(dim=0)
        return mean

    def replaced(self, images):
        """Re FFT2^-1(R' e^{iP}), where R' is R in the band and A outside."""
        mask = band_mask(self.settings.amplitude_band, *images.shape[-2:])
        spectrum = torch.fft.fft2(images.double())
        # R e^{iP} = F R / A; P = 0 where A = 0
        amplitude = spectrum.abs()
        zero = amplitude == 0
        ratio = self.running.double() / torch.where(zero, 1.0, amplitude)
        inside = torch.where(zero, self.running.to(spectrum.dtype), spectrum * ratio)
        return torch.fft.ifft2(torch.where(mask, inside, spectrum)).real.to(images.dtype)

    def shifted(self, images):
        """Band dc without a transform, so that pixels that are equal stay equal."""
        # x + (R_00 e^{iP} - F_00) / (H W), where F_00 = sum x is real; P = 0 where it is 0
        total = images.double().sum(dim=(2, 3))
        wanted = torch.where(total < 0, -1.0, 1.0) * self.running[:, 0, 0].double()
        shift = (wanted - total) / images[0, 0].numel()
        return (images.double() + shift[:, :, None, None]).to(images.dtype)

    def move(self, mean):
        """R <- Abar for the first batch, then R <- (1 - v) R + v Abar."""
        v = self.settings.amplitude_momentum
        self.running = mean if self.running is None else (1 - v) * self.running + v * mean

    def begin_client(self):
        """Before a client's local work: what was not averaged is forgotten."""
        if not self.frozen:
            self.running = None

    def freeze(self, running):
        self.running = running
        self.frozen = True
