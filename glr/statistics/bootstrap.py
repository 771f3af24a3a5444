"""The bootstrap over queries: one set of resamples for all metrics and runs, so that their differences are paired."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtrit

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


def percentile_interval(
    resampled: npt.ArrayLike, level: float = 0.95, queries: int | None = None
) -> tuple[float, float]:
    """Return the percentile interval (Efron and Tibshirani, section 13.3), wider where queries are few.

    Args:
        resampled: [B] values.
        level: nominal coverage.
        queries: number n >= 2 of queries that the metric measures; None: many. The bootstrap gives (n - 1) / n of the
            variance, and normal tails in place of Student's t. Each end therefore leaves out Φ(-sqrt(n / (n - 1)) t)
            (Hesterberg, What teachers should know about the bootstrap, The American Statistician 69(4), 2015).
    """
    tail = (1 - level) / 2
    if queries is not None:
        tail = float(ndtr(stdtrit(queries - 1, tail) * (queries / (queries - 1)) ** 0.5))
    low, high = np.nanquantile(np.asarray(resampled, float), [tail, 1 - tail], method="weibull")
    return float(low), float(high)


def _call(estimator: Estimator, counts: Counts) -> Floats:
    return estimator(counts)
