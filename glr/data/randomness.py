"""Random numbers by formula: what is drawn for a position depends on nothing that was drawn before it."""

import zlib

import numpy as np


def generator(seed: int, purpose: str, *place: int) -> np.random.Generator:
    """A generator of its own for each purpose and place."""
    return np.random.Generator(_bits(seed, purpose, *place))


def uniforms(seed: int, epoch: int, first: int, count: int, draws: int) -> np.ndarray:
    """`draws` numbers, uniform in (0, 1), for each of `count` positions of an epoch from `first` on.

    Philox is a counter: a position's numbers are found without making those before it (Salmon et al., Parallel random
    numbers: as easy as 1, 2, 3, SC 2011).

    Returns:
        float64 [count, draws].
    """
    numbers = -(-draws // 4) * 4  # the counter makes four at a step
    bits = _bits(seed, "position", epoch)
    bits.advance(first * numbers // 4)
    raw = bits.random_raw(count * numbers).reshape(count, numbers)[:, :draws]
    return ((raw >> np.uint64(12)) + 0.5) * 2.0**-52


def _bits(seed: int, purpose: str, *place: int) -> np.random.Philox:
    return np.random.Philox(np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), *place]))
