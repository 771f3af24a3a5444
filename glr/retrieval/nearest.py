"""Exact nearest neighbours of a few queries, without TensorFlow, whose import takes longer than such a search.

`glr.retrieval.neighbors` is for evaluations: it uses accelerators, and its scores do not depend on the blocks.
"""

import numpy as np

from glr.errors import GlrError

_ROWS = 8192  # index rows multiplied at once: their products with a block of queries stay in the cache
_QUERIES = 1024
_NOT_FINITE = "similarities are NaN or infinite: a descriptor of the index holds NaN, or the values exceed float32"


def nearest(queries: np.ndarray, index: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the k rows of the index with the largest inner products with each query; equal ones in the index's order.

    Args:
        queries: descriptors [Q, D], finite.
        index: descriptors [N, D], finite, in memory or memory-mapped, float32 or float16.
        k: number of neighbours, at least 1; N if the index holds fewer.

    Returns:
        Scores float32 [Q, k], descending, and positions in the index int64 [Q, k].

    Raises:
        GlrError: the dimensions differ, a query holds NaN or infinity, or a product does.
    """
    if queries.ndim != 2 or queries.shape[1] != index.shape[1]:
        shape = " x ".join(map(str, queries.shape))
        raise GlrError(f"the query descriptors are {shape}, those of the index have {index.shape[1]} dimensions")
    if not np.isfinite(queries).all():
        raise GlrError("a query's descriptor holds NaN or infinity")
    k = min(k, len(index))
    scores = np.full((len(queries), k), -np.inf, np.float32)
    positions = np.full((len(queries), k), -1, np.int64)
    for start in range(0, len(index), _ROWS):
        block = index[start : start + _ROWS].astype(np.float32, copy=False)
        for first in range(0, len(queries), _QUERIES):
            products = queries[first : first + _QUERIES].astype(np.float32, copy=False) @ block.T
            best = products.max(1)  # NaN if any product is
            if not np.isfinite(best).all():
                raise GlrError(_NOT_FINITE)
            for row in np.flatnonzero(best > scores[first : first + _QUERIES, -1]):
                _merge(products[row], start, scores[first + row], positions[first + row])
    if (positions < 0).any():
        raise GlrError(_NOT_FINITE)
    return scores, positions


def _merge(products: np.ndarray, start: int, scores: np.ndarray, positions: np.ndarray) -> None:
    """Merge a query's products with a block, which begins at `start`, into its best scores and positions so far."""
    k = len(scores)
    least = scores[-1] if k >= len(products) else max(scores[-1], np.partition(products, -k)[-k])
    places = np.flatnonzero(products >= least)
    candidates = np.concatenate([scores, products[places]])
    best = np.argsort(-candidates, kind="stable")[:k]  # stable: earlier rows first among equals
    scores[:] = candidates[best]
    positions[:] = np.concatenate([positions, start + places])[best]
