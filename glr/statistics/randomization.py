"""Randomisation tests: how often would swapping the two systems' outcomes, query by query, differ as much?

Source: Smucker, Allan and Carterette, CIKM 2007, section 2.1 (Fisher's randomisation test), two-sided.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np
import numpy.typing as npt

from glr.statistics.estimators import Floats

_CHUNK = 4_000_000
_SIGNS = 1.0 - 2.0 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)  # [256, 8] of a byte's bits
_ROUNDING = 1e-12  # sums that differ by less are equal: 0.1 + 0.2 - 0.3 is not 0 in floating point


def sign_flip_test(differences: npt.ArrayLike, number: int = 10_000, seed: int = 0) -> float:
    """Return the p-value of a mean difference: each of the [N] differences may as well have the other sign.

    NaN marks queries that the metric leaves out. With at most 12 differences other than zero, all 2^N signs are tried.
    """
    values = np.asarray(differences, float)
    values = values[~np.isnan(values) & (values != 0)]
    least = abs(values.sum()) - _ROUNDING * np.abs(values).sum()
    if len(values) <= 12:
        signs = np.array(list(product([-1.0, 1.0], repeat=len(values))))
        return float(np.mean(np.abs(signs @ values) >= least))
    # Eight differences at once: their sum under each byte of signs is looked up.
    eights = np.pad(values, (0, -len(values) % 8)).reshape(-1, 8) @ _SIGNS.T
    drawn = _swaps(len(values), number, seed)
    sums = np.concatenate([eights[np.arange(len(eights)), swapped].sum(axis=1) for swapped in drawn])
    return _share(np.abs(sums), least)


def exchange_test(
    ids: npt.ArrayLike,
    confidences: tuple[npt.ArrayLike, npt.ArrayLike],
    rights: tuple[npt.ArrayLike, npt.ArrayLike],
    shown: npt.ArrayLike,
    number: int = 2000,
    seed: int = 0,
) -> float:
    """Return the p-value of a difference in GAP: each query's outcomes of the two systems may as well be exchanged.

    Both rankings are merged once: an exchange chooses, of each query's two places in the merged ranking, the other one.

    Args:
        ids: the N queries, which order equal confidences.
        confidences: [N] confidence of each query's class, for each system.
        rights: [N], True where the class is right, for each system.
        shown: [N], True where the query shows a landmark.
        number: exchanges to draw.
        seed: seed of the draw.
    """
    names = np.asarray(ids)
    confidence = np.concatenate([np.asarray(values, float) for values in confidences])
    right = np.concatenate([np.asarray(values, bool) for values in rights])
    images = np.count_nonzero(np.asarray(shown, bool))
    order = np.lexsort((np.concatenate([names, names]), -confidence))
    query, second = order % len(names), order >= len(names)
    hit = np.flatnonzero(right[order])

    if not len(hit):
        return 1.0  # no exchange changes anything
    places = np.arange(1, len(hit) + 1), hit + 1

    def differences(swapped: npt.NDArray[np.bool_]) -> Floats:
        chosen = swapped.take(query, axis=1, mode="clip") == second  # the first system's places after the exchange
        segments = np.add.reduceat(chosen.view(np.uint8), hit, axis=1, dtype=np.int32)
        first, before = chosen[:, hit], np.count_nonzero(chosen[:, : hit[0]], axis=1, keepdims=True)
        ranks = before + np.cumsum(segments, axis=1) - segments + first
        hits = np.cumsum(first, axis=1)
        precision = np.where(first, hits, places[0] - hits) / np.where(first, ranks, places[1] - ranks)
        return np.where(first, precision, -precision).sum(axis=1) / images

    observed = differences(np.zeros((1, len(names)), bool))[0]
    bits = (np.unpackbits(drawn, axis=1, count=len(names)) for drawn in _swaps(len(names), number, seed))
    drawn = np.concatenate([differences(swapped.astype(bool)) for swapped in bits])
    return _share(np.abs(drawn), abs(observed) - _ROUNDING)


def holm(p_values: npt.ArrayLike, comparisons: int | None = None) -> Floats:
    """Return p-values adjusted for several comparisons by Holm's step-down procedure.

    Args:
        p_values: [N] p-values.
        comparisons: number of all comparisons, if only some of them are given. The p-values are then right, though
            cautious, whichever are given. None: N.
    """
    values = np.asarray(p_values, float)
    number = len(values) if comparisons is None else comparisons
    order = np.argsort(values)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(number, number - len(values), -1)), 1)
    return adjusted


def _swaps(queries: int, number: int, seed: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Draw which queries are swapped, eight in a byte: [b, ceil(N / 8)]."""
    generator = np.random.default_rng(seed)
    rows = max(1, _CHUNK // max(queries, 1))
    for start in range(0, number, rows):
        yield generator.integers(0, 256, (min(rows, number - start), -(-queries // 8)), np.uint8)


def _share(drawn: Floats, least: float) -> float:
    """The observed arrangement counts as one of the draws, so that no p-value is 0."""
    return float((1 + np.count_nonzero(drawn >= least)) / (1 + len(drawn)))
