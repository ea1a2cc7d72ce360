# SPDX-License-Identifier: Apache-2.0
"""Random numbers by name: no draw depends on the order in which others are made."""

import hashlib

import numpy


def generator(*name: object) -> numpy.random.Generator:
    """The stream of Philox, a counter-based generator, whose key is the name's SHA-256."""
    digest = hashlib.sha256("/".join(map(str, name)).encode()).digest()
    return numpy.random.Generator(numpy.random.Philox(key=int.from_bytes(digest[:16], "little")))


def places(seed: int, sites: int, properties: int) -> numpy.ndarray:
    """Numbers in [-1, 1), [sites, properties]: a Latin hypercube (McKay, Beckman, Conover 1979). Of each
    property every site has another of `sites` equal parts of the range, so that no two of a few sites are
    alike."""
    columns = []
    for index in range(properties):
        stream = generator("scanner", seed, sites, index)
        columns.append((stream.permutation(sites) + stream.random(sites)) * 2 / sites - 1)
    return numpy.stack(columns, axis=1)
