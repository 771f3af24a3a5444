"""Metrics as functions of how often each query is drawn, so that resamples need neither sorting nor copies."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.uint8]


class Estimator(Protocol):
    """A metric of N queries that a resample draws once, several times, or not at all.

    Attributes:
        queries: number of queries that the metric measures; for GAP those that show a landmark.
    """

    queries: int

    def __call__(self, counts: Counts) -> Floats:
        """Compute the metric of each resample.

        Args:
            counts: [B, N], how often each resample draws each query.

        Returns:
            [B] values; NaN for a resample without a query that the metric measures.
        """
        ...


class Mean:
    """The mean of a value of each query: mAP, mP@10, recall, mean position, accuracy.

    Args:
        values: [N] values; NaN marks a query that the metric leaves out.
    """

    def __init__(self, values: npt.ArrayLike):
        array = np.asarray(values, float)
        self._measured = np.flatnonzero(~np.isnan(array))
        self._values = array[self._measured]
        self.queries = len(self._measured)

    def __call__(self, counts: Counts) -> Floats:
        """Return the metric of each of the [B] resamples."""
        drawn = counts.take(self._measured, axis=1, mode="clip")  # in rows: an index gives columns, slow to sum
        with np.errstate(invalid="ignore"):
            return drawn @ self._values / drawn.sum(axis=1)


class Median:
    """The median of a value of each query, between the two middle ones if their number is even.

    Args:
        values: [N] values; NaN marks a query that the metric leaves out.
    """

    def __init__(self, values: npt.ArrayLike):
        array = np.asarray(values, float)
        self.queries = int(np.count_nonzero(~np.isnan(array)))
        self._order = np.argsort(array, kind="stable")[: self.queries]
        self._sorted = array[self._order]

    def __call__(self, counts: Counts) -> Floats:
        """Return the metric of each of the [B] resamples."""
        ranks = np.cumsum(counts.take(self._order, axis=1, mode="clip"), axis=1, dtype=np.int32)
        medians = np.full(len(counts), np.nan)
        if self.queries:
            some = ranks[:, -1] > 0
            drawn = ranks[some, -1:]
            low, high = ((ranks[some] < middle).sum(axis=1) for middle in ((drawn + 1) // 2, drawn // 2 + 1))
            medians[some] = (self._sorted[low] + self._sorted[high]) / 2
        return medians


class GlobalAveragePrecision:
    """GAP, `glr.retrieval.metrics.global_average_precision`, with its ranking sorted once.

    A query that is drawn w times takes w ranks in succession. With H right ones among the R above it, a right query
    adds Σ_{j=1..w} (H + j) / (R + j) = w - (R - H) (h(R + w) - h(R)), where h are the harmonic numbers.

    Args:
        ids: the N queries, which order equal confidences.
        confidence: [N] confidence of each query's predicted class; NaN marks a query that the metric leaves out.
        right: [N], True where the class is one that the query shows.
        shown: [N], True where the query shows a landmark.
    """

    def __init__(self, ids: npt.ArrayLike, confidence: npt.ArrayLike, right: npt.ArrayLike, shown: npt.ArrayLike):
        confidences = np.asarray(confidence, float)
        measured = ~np.isnan(confidences)
        self._order = np.lexsort((np.asarray(ids), -confidences))[: np.count_nonzero(measured)]  # NaN comes last
        self._right = np.flatnonzero(np.asarray(right, bool)[self._order])
        self._shown = np.flatnonzero(np.asarray(shown, bool) & measured)
        self.queries = len(self._shown)
        self._harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, len(confidences) + 1))])

    def __call__(self, counts: Counts) -> Floats:
        """Return the metric of each of the [B] resamples."""
        with np.errstate(invalid="ignore"):
            return self._gained(counts) / counts[:, self._shown].sum(axis=1)

    def _gained(self, counts: Counts) -> Floats:
        """Return the [B] sums of the right queries' precisions."""
        if not len(self._right):
            return np.zeros(len(counts))
        ranked = counts.take(self._order, axis=1, mode="clip")  # twice as fast as with the check of bounds
        before = ranked[:, : self._right[0]].sum(axis=1, keepdims=True, dtype=np.int32)
        segments = np.add.reduceat(ranked, self._right, axis=1, dtype=np.int32)  # from a right query to the next one
        drawn = ranked[:, self._right].astype(np.int32)
        above = before + np.cumsum(segments, axis=1) - segments
        hits = np.cumsum(drawn, axis=1) - drawn
        gained = drawn - (above - hits) * (self._harmonic[above + drawn] - self._harmonic[above])
        return gained.sum(axis=1)
