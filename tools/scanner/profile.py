# SPDX-License-Identifier: Apache-2.0
"""What a scanner is: its parameters, and those of every site."""

from dataclasses import asdict, dataclass

import numpy

from scanner.draws import places

# Largest values at strength 1.
LOG_GAIN = 0.5
LOG_GAMMA = 0.4
LOG_CAST = 0.3
LOG_STAIN = 0.4
STAIN_TURN = 0.15
LOG_BIAS = 0.4
BLUR_PX = 1.0
NOISE = 0.03

# Columns of a site's draw: name and how many.
DRAWN = {"gain": 1, "gamma": 1, "cast": 3, "bias": 5, "blur": 1, "noise": 1, "stain": 2, "turn": 6}
STAINS = ("stain", "turn")


@dataclass(frozen=True)
class Scanner:
    """Parameters of one scanner. All are 0 for one that changes nothing."""

    log_gain: float = 0.0
    log_gamma: float = 0.0
    log_cast: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Of red, green and blue; they sum to 0."""
    log_bias: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    """Coefficients of the Legendre polynomials in `optics.bias_field`."""
    blur_px: float = 0.0
    """Standard deviation of the Gaussian point spread, pixels."""
    noise: float = 0.0
    """Standard deviation, of the full scale."""
    log_stain: tuple[float, float] = (0.0, 0.0)
    """Of the amounts of haematoxylin and eosin."""
    stain_turn: tuple[float, ...] = (0.0,) * 6
    """Added to the unit vectors of both stains, red, green and blue each."""

    def at(self, strength: float) -> "Scanner":
        """The scanner of that strength: every parameter times it."""

        def scaled(value: float | tuple[float, ...]) -> float | tuple[float, ...]:
            return tuple(strength * one for one in value) if isinstance(value, tuple) else strength * value

        return Scanner(**{name: scaled(value) for name, value in asdict(self).items()})


def columns(drawn: numpy.ndarray, name: str) -> numpy.ndarray:
    """The part of a row (or of rows) of `places` that is called `name`."""
    first = 0
    for known, count in DRAWN.items():
        if known == name:
            return drawn[..., first : first + count]
        first += count
    raise KeyError(name)


def scanner_of(drawn: numpy.ndarray, stain: bool) -> Scanner:
    """The scanner of strength 1 of a row of `places`."""

    def one(name: str) -> float:
        return float(columns(drawn, name)[0])

    def several(name: str, most: float) -> tuple[float, ...]:
        return tuple(float(most * value) for value in columns(drawn, name))

    cast = columns(drawn, "cast") - columns(drawn, "cast").mean()
    return Scanner(
        log_gain=LOG_GAIN * one("gain"),
        log_gamma=LOG_GAMMA * one("gamma"),
        log_cast=tuple(float(LOG_CAST * value) for value in cast),
        log_bias=several("bias", LOG_BIAS),
        blur_px=BLUR_PX * (1 + one("blur")) / 2,
        noise=NOISE * (1 + one("noise")) / 2,
        log_stain=several("stain", LOG_STAIN) if stain else (0.0, 0.0),
        stain_turn=several("turn", STAIN_TURN) if stain else (0.0,) * 6,
    )


def unlikeness(drawn: numpy.ndarray, stain: bool) -> numpy.ndarray:
    """How far each row lies from the mean of the others; every property counts alike, however many
    columns."""
    sites = len(drawn)
    if sites == 1:
        return numpy.zeros(1)
    apart = drawn - (drawn.sum(axis=0) - drawn) / (sites - 1)
    names = [name for name in DRAWN if stain or name not in STAINS]
    return numpy.sqrt(sum((columns(apart, name) ** 2).mean(axis=-1) for name in names))


def scanners(seed: int, sites: int, stain: bool = False) -> list[Scanner]:
    """The scanners of `sites` sites at strength 1, from the one most like the others to the one least like
    them."""
    drawn = places(seed, sites, sum(DRAWN.values()))
    order = numpy.argsort(unlikeness(drawn, stain), kind="stable")
    return [scanner_of(drawn[site], stain) for site in order]
