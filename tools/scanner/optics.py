# SPDX-License-Identifier: Apache-2.0
"""What a scanner does to an image, in the order of light: stain, point spread, illumination, sensor,
noise."""

import numpy
from scipy import ndimage

from scanner.profile import Scanner

# Unit vectors of optical density of haematoxylin and eosin, red, green and blue (Ruifrok and Johnston
# 2001); the third, what neither explains, is at a right angle to both.
HAEMATOXYLIN = (0.65, 0.70, 0.29)
EOSIN = (0.07, 0.99, 0.11)


def stain_matrix(turn: tuple[float, ...] = (0.0,) * 6) -> numpy.ndarray:
    """Columns: the unit vectors of haematoxylin, eosin and the rest, after `turn` is added to the first
    two."""
    moved = numpy.array([HAEMATOXYLIN, EOSIN]) + numpy.reshape(turn, (2, 3))
    first, second = moved / numpy.linalg.norm(moved, axis=1, keepdims=True)
    rest = numpy.cross(first, second)
    return numpy.stack([first, second, rest / numpy.linalg.norm(rest)], axis=1)


def restained(light: numpy.ndarray, scanner: Scanner) -> numpy.ndarray:
    """Light [H, W, 3] in (0, 1] with other stains: the optical density D = -ln(light) is M c for amounts c
    of the stains (Beer and Lambert; Ruifrok and Johnston 2001). Amounts are multiplied (Tellez et al.
    2018), vectors turned."""
    amounts = numpy.exp([*scanner.log_stain, 0.0])
    change = stain_matrix(scanner.stain_turn) @ numpy.diag(amounts) @ numpy.linalg.inv(stain_matrix())
    return numpy.exp(numpy.log(light) @ change.T)


def bias_field(height: int, width: int, scanner: Scanner) -> numpy.ndarray:
    """Illumination [H, W]: exp of a polynomial of degree 2 in Legendre's basis without its constant (Styner
    et al. 2000), over y and x from -1 to 1."""
    y = numpy.linspace(-1, 1, height)[:, None] if height > 1 else numpy.zeros((1, 1))
    x = numpy.linspace(-1, 1, width)[None, :] if width > 1 else numpy.zeros((1, 1))
    basis = (y, x, (3 * y**2 - 1) / 2, (3 * x**2 - 1) / 2, x * y)
    return numpy.exp(sum(weight * part for weight, part in zip(scanner.log_bias, basis)) + 0 * x * y)


def scanned(
    image: numpy.ndarray, scanner: Scanner, noise: numpy.random.Generator, stain: bool = False
) -> numpy.ndarray:
    """An image, uint8 [H, W, 3], through the scanner, uint8 [H, W, 3]:

    light  = image / 255, restained where `stain`
    light <- Gaussian of blur_px, the image mirrored at its edges
    light <- light * bias * gain * cast, cut off at 1
    grey   = light^gamma + noise * N(0, 1), cut off at 0 and 1, rounded to bytes
    """
    light = image.astype(float) / 255
    if stain:
        # A byte of 0 stands for a quarter of a step: its density is finite, and unchanged it stays 0.
        light = restained(numpy.maximum(light, 0.25 / 255), scanner)
    if scanner.blur_px > 0:
        light = ndimage.gaussian_filter(light, (scanner.blur_px, scanner.blur_px, 0), mode="reflect")
    light = light * bias_field(*light.shape[:2], scanner)[:, :, None]
    light = light * numpy.exp(scanner.log_gain + numpy.array(scanner.log_cast))
    grey = numpy.clip(light, 0, 1) ** numpy.exp(scanner.log_gamma)
    grey = grey + scanner.noise * noise.standard_normal(grey.shape)
    return numpy.rint(255 * numpy.clip(grey, 0, 1)).astype(numpy.uint8)
