"""Exact nearest neighbours by inner product, in blocks that bound the memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from glr.errors import GlrError


def top_k(
    queries: np.ndarray, index: np.ndarray, k: int, *, query_block: int = 1024, index_block: int = 16384
) -> tuple[np.ndarray, np.ndarray]:
    """The k rows of the index with the largest inner products with each query.

    Computed in float32; equal scores are ordered by position, whatever the blocks. Beside the arguments and the result,
    memory holds one block of each and a few copies of its query_block x index_block scores (64 MiB each by default).
    The index is read once, from start to end.

    Args:
        queries: descriptors [Q, D], of any float type; like `index`, an array in memory or memory-mapped.
        index: descriptors [N, D].
        k: neighbours wanted, at least 1; N where the index holds fewer.
        query_block: queries compared at once.
        index_block: index rows that they are compared with.

    Returns:
        Scores float32 [Q, k], descending, and positions in the index int64 [Q, k].

    Raises:
        GlrError: the index is empty, the dimensions differ, or a descriptor holds NaN or infinity.
    """
    if not len(index):
        raise GlrError("the index holds no descriptors, so there is nothing to search")
    if queries.shape[1] != index.shape[1]:
        raise GlrError(
            f"query descriptors have {queries.shape[1]} dimensions, index descriptors {index.shape[1]}; "
            "describe both with one model"
        )
    k = min(k, len(index))
    query_block = max(1, min(query_block, len(queries)))
    index_block = min(index_block, len(index))
    # Whole blocks: the rows beyond Q are those of padded queries.
    rows = -(-len(queries) // query_block) * query_block
    scores = np.full((rows, k), -np.inf, np.float32)
    positions = np.zeros((rows, k), np.int64)
    with _full_float32():
        for start in range(0, len(index), index_block):
            block = tf.constant(_block(index, start, index_block, "index"))
            span = tf.constant([start, len(index)], tf.int64)
            for first in range(0, len(queries), query_block):
                part = slice(first, first + query_block)
                query = _block(queries, first, query_block, "query")
                scores[part], positions[part] = _merge(query, block, span, scores[part], positions[part])
    return scores[: len(queries)], positions[: len(queries)]


@tf.function
def _merge(queries: Any, index: Any, span: Any, scores: Any, positions: Any) -> tuple[Any, Any]:
    """Take a block of the index into the best found so far.

    Args:
        queries: [q, D].
        index: [n, D]; rows past the index's end are padding.
        span: int64, the position of the block's first row, and the index's length.
        scores: [q, k], descending.
        positions: theirs.
    """
    places = span[0] + tf.range(index.shape[0], dtype=tf.int64)
    products = tf.where(places < span[1], tf.matmul(queries, index, transpose_b=True), -np.inf)
    found, columns = tf.math.top_k(products, min(scores.shape[1], index.shape[0]))
    # Among equals top_k takes the first column: the blocks seen before, whose positions are lower, have to stand first.
    best, order = tf.math.top_k(tf.concat([scores, found], 1), scores.shape[1])
    return best, tf.gather(tf.concat([positions, tf.gather(places, columns)], 1), order, batch_dims=1)


def _block(descriptors: np.ndarray, start: int, size: int, name: str) -> np.ndarray:
    """`size` rows from `start` on as float32, zeros past the end: with one shape, `_merge` is traced once."""
    values = np.asarray(descriptors[start : start + size], np.float32)
    finite = np.isfinite(values).all(1)
    if not finite.all():
        row = start + int(np.argmin(finite))
        raise GlrError(f"row {row} of the {name} descriptors holds NaN or infinity; the model that gave it diverged")
    return np.pad(values, ((0, size - len(values)), (0, 0)))


@contextmanager
def _full_float32() -> Iterator[None]:
    """Without the 10-bit mantissas that GPUs may multiply with: they would reorder near neighbours."""
    enabled = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(enabled)
