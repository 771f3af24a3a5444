"""The bootstrap over queries: one set of resamples for all metrics and runs, so that their differences are paired."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import numpy as np
import numpy.typing as npt

from glr.statistics.estimators import Counts, Estimator, Floats

_CHUNK = 16_000_000  # counts held at once; 16 MB


def resamples(queries: int, number: int, seed: int = 0) -> Iterator[Counts]:
    """Draw `queries` queries with replacement, `number` times; yield chunks [b, N] of how often each was drawn."""
    generator = np.random.default_rng(seed)
    rows = max(1, _CHUNK // max(queries, 1))
    for start in range(0, number, rows):
        chunk = np.empty((min(rows, number - start), queries), np.uint8)
        for row in chunk:
            row[:] = np.bincount(generator.integers(0, queries, queries, np.int32), minlength=queries)
        yield chunk


def bootstrap(
    estimators: Sequence[Estimator], queries: int, number: int = 2000, seed: int = 0, threads: int = 2
) -> Floats:
    """Compute each estimator, of the same N queries, on the same resamples.

    Returns:
        [B, E] values.
    """
    values = np.empty((number, len(estimators)))
    row = 0
    with ThreadPoolExecutor(threads) as pool:
        for counts in resamples(queries, number, seed):
            for column, of_one in enumerate(pool.map(_call, estimators, repeat(counts))):
                values[row : row + len(counts), column] = of_one
            row += len(counts)
    return values


def percentile_interval(resampled: npt.ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of [B] resampled values (Efron and Tibshirani, section 13.3)."""
    low, high = np.nanquantile(np.asarray(resampled, float), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _call(estimator: Estimator, counts: Counts) -> Floats:
    return estimator(counts)
