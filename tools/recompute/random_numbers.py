# SPDX-License-Identifier: Apache-2.0
"""The random numbers of a run, from the published description of their generator.

Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
The key of a stream is the seed, mixed with what the stream is for by the finaliser of splitmix64
(Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014); the counter is
(block, round, client) (docs/adr/0004-counter-based-random-numbers.md).
"""

import math

WORD = 0xFFFFFFFF
LONG = 0xFFFFFFFFFFFFFFFF

PURPOSES = {"shuffle": 1, "augmentation": 2, "cohort": 7, "partition": 8, "fleet": 9}


def philox(counter, key):
    """Four words from a counter of four words and a key of two."""
    a, b, c, d = counter
    low, high = key
    for _ in range(10):
        first, second = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (second >> 32) ^ b ^ low, second & WORD, (first >> 32) ^ d ^ high, first & WORD
        low, high = (low + 0x9E3779B9) & WORD, (high + 0xBB67AE85) & WORD
    return a, b, c, d


def mixed(value):
    """splitmix64: the state moves on by the golden ratio, then three times xor and multiply."""
    value = (value + 0x9E3779B97F4A7C15) & LONG
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & LONG
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & LONG
    return value ^ (value >> 31)


class Stream:
    """Numbers that depend on nothing but the seed, the round, the client and the purpose."""

    def __init__(self, seed, round_index, client, purpose):
        key = mixed(seed ^ (PURPOSES[purpose] << 56))
        self.key = (key & WORD, key >> 32)
        client &= LONG
        self.place = (round_index & WORD, client & WORD, client >> 32)
        self.block = 0
        self.words = []

    def bits(self):
        """32 bits."""
        if not self.words:
            self.words = list(philox((self.block, *self.place), self.key))
            self.block += 1
        return self.words.pop(0)

    def uniform(self):
        """A number in [0, 1) with 53 bits, the first 27 from the first word."""
        high = self.bits() >> 5
        low = self.bits() >> 6
        return (high * 2**26 + low) / 2**53

    def below(self, bound):
        """An integer in [0, bound), without bias (Lemire, "Fast random integer generation in an
        interval", ACM TOMACS 29, 2019)."""
        least = (2**32 - bound) % bound
        while True:
            product = self.bits() * bound
            if product & WORD >= least:
                return product >> 32

    def normal(self):
        """Box and Muller, the cosine of the two; 1 - u is never 0."""
        radius = math.sqrt(-2 * math.log(1 - self.uniform()))
        return radius * math.cos(2 * math.pi * self.uniform())

    def permutation(self, count):
        """Fisher and Yates, from the last place down."""
        order = list(range(count))
        for last in range(count - 1, 0, -1):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return order
