"""Random numbers by formula: a position's numbers do not depend on earlier draws."""

import zlib

import numpy as np


def generator(seed: int, purpose: str, *place: int) -> np.random.Generator:
    """Return an independent generator for each purpose and place."""
    return np.random.Generator(_bits(seed, purpose, *place))


def uniforms(seed: int, epoch: int, first: int, count: int, draws: int) -> np.ndarray:
    """Draw `draws` numbers, uniform in (0, 1), for each of `count` positions of an epoch from `first` on.

    Philox is counter-based: it computes a position's numbers without the earlier positions' (Salmon et al., Parallel
    random numbers: as easy as 1, 2, 3, SC 2011).

    Returns:
        float64 [count, draws].
    """
    numbers = -(-draws // 4) * 4  # each step of the counter gives four numbers
    bits = _bits(seed, "position", epoch)
    bits.advance(first * numbers // 4)
    raw = bits.random_raw(count * numbers).reshape(count, numbers)[:, :draws]
    return ((raw >> np.uint64(12)) + 0.5) * 2.0**-52


def _bits(seed: int, purpose: str, *place: int) -> np.random.Philox:
    return np.random.Philox(np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), *place]))
