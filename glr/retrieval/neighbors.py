"""Exact nearest neighbours by inner product, in blocks that bound the memory."""

from typing import Any

import numpy as np
import tensorflow as tf

from glr.devices.precision import tensor_float_32
from glr.errors import GlrError

# Rows of a query block: a smaller block makes the product slower. Its last row is zero, see `_merge`.
_ROWS = 1024
# Rows of a chunk of the index. The search first selects chunks by their best products, see `_merge`.
_CHUNK = 32
# Rows of an index block are a multiple of this: otherwise the last columns are summed in another order (with AVX2).
_STRETCH = 768
# Fewest rows of a query block. Below about 200 rows libraries sum in another order: the block size would change scores.
_FEWEST = 256


def top_k(queries: np.ndarray, index: np.ndarray, k: int, *, memory: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Find the k rows of the index with the largest inner products with each query.

    Computed in float32, on an accelerator if there is one. Equal scores are ordered by position, for any block size.
    The index is read once, from start to end, and not copied if it is float32.

    Args:
        queries: descriptors [Q, D], of any float type; like `index`, an array in memory or memory-mapped.
        index: descriptors [N, D].
        k: number of neighbours, at least 1; N if the index holds fewer.
        memory: GB for a block of the index and its products with a block of queries, beside the arguments and the
            result.

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
    rows = min(_ROWS, -(-(len(queries) + 1) // _FEWEST) * _FEWEST)
    largest = max(int(memory * 1e9) // (4 * (rows + queries.shape[1])), _STRETCH)
    # Equal blocks of whole stretches, on boundaries where TensorFlow uses them without copying.
    blocks = -(-len(index) // largest)
    size = -(-len(index) // blocks // _STRETCH) * _STRETCH
    scores = np.full((len(queries), k), -np.inf, np.float32)
    positions = np.zeros((len(queries), k), np.int64)
    with tensor_float_32(False), tf.device(_device()):  # it would reorder near neighbours
        for begin in range(0, len(index), size):
            # The last block ends with the index and repeats some rows; rows below `begin` do not count.
            start = max(min(begin, len(index) - size), 0)
            block = tensor(_rows(index, start, size))
            span = tf.constant([start, begin, len(index)], tf.int64)
            for first in range(0, len(queries), rows - 1):
                part = slice(first, first + rows - 1)
                query = _rows(queries, first, rows - 1)
                _check(query, first, "query")
                count = len(scores[part])
                best = [np.pad(values[part], ((0, rows - count), (0, 0))) for values in (scores, positions)]
                finite, *best = _merge(np.pad(query, ((0, 1), (0, 0))), block, span, *best)
                if not finite:
                    _check(_rows(index, start, size), start, "index")
                scores[part], positions[part] = (values[:count] for values in best)
    return scores, positions


@tf.function(autograph=False)  # pyright: ignore[reportUntypedFunctionDecorator]
def _merge(queries: Any, index: Any, span: Any, scores: Any, positions: Any) -> tuple[Any, Any, Any]:
    """Merge a block of the index into the best results so far.

    The k best products lie in the k chunks with the largest maxima (of equal maxima, the first): if a best product lay
    in another chunk, each of the k chunks would hold a product ranked before it. Selecting chunks first costs little
    beside the matrix product; a selection among all products costs as much as the matrix product itself.

    Args:
        queries: [q, D]; the last row is zero, so that its product is NaN if the index holds NaN or infinity.
        index: [n, D], n a multiple of the chunk.
        span: int64, the position of the block's first row, the first position that counts, and the end (exclusive).
        scores: [q, k], descending.
        positions: [q, k], of these scores.

    Returns:
        True if the block is finite, scores, positions.
    """
    products = tf.matmul(tf.cast(queries, tf.float32), tf.cast(index, tf.float32), transpose_b=True)
    count, size = products.shape
    finite = tf.reduce_all(tf.math.is_finite(products[-1]))
    chunks = tf.reshape(products, [count, size // _CHUNK, _CHUNK])
    low, high = (tf.cast(bound - span[0], tf.int32) for bound in (span[1], span[2]))
    firsts = _CHUNK * tf.range(size // _CHUNK)
    maxima = tf.where((firsts + _CHUNK > low) & (firsts < high), tf.reduce_max(chunks, 2), -np.inf)
    # One chunk more than k: a chunk that counts only in part may owe its maximum to a row that does not count.
    _, chosen = tf.math.top_k(maxima, min(scores.shape[1] + 1, size // _CHUNK), sorted=False)
    chosen = tf.sort(chosen, axis=1)
    similarities = tf.reshape(tf.gather(chunks, chosen, batch_dims=1), [count, -1])
    places = tf.reshape(_CHUNK * chosen[..., tf.newaxis] + tf.range(_CHUNK), [count, -1])
    similarities = tf.where((places >= low) & (places < high), similarities, -np.inf)
    # Among equals top_k takes the first column, so earlier blocks, whose positions are lower, must come first.
    best, order = tf.math.top_k(tf.concat([scores, similarities], 1), scores.shape[1])
    new = span[0] + tf.cast(places, tf.int64)
    return finite, best, tf.gather(tf.concat([positions, new], 1), order, batch_dims=1)


def _rows(descriptors: np.ndarray, start: int, size: int) -> np.ndarray:
    """Return `size` rows from `start` on, padded with zeros past the end: with one shape, `_merge` is traced once."""
    values = descriptors[start : start + size]
    if values.dtype not in (np.dtype("float16"), np.dtype("float32")):
        values = values.astype(np.float32)
    return np.pad(values, ((0, size - len(values)), (0, 0))) if len(values) < size else values


def _check(values: np.ndarray, start: int, name: str) -> None:
    finite = np.isfinite(values).all(1)
    if not finite.all():
        row = start + int(np.argmin(finite))
        raise GlrError(f"row {row} of the {name} descriptors holds NaN or infinity; the model that gave it diverged")


def tensor(values: np.ndarray) -> tf.Tensor:
    """Return a tensor on the array's own memory if possible: copying takes a tenth of the matrix product's time."""
    if values.flags.c_contiguous and values.flags.writeable and values.ctypes.data % 64 == 0:
        return tf.experimental.dlpack.from_dlpack(values.__dlpack__())
    return tf.constant(values)


def _device() -> str | None:
    """Return the TPU, which has to be named, or None: TensorFlow then uses a GPU if there is one."""
    return "/TPU:0" if tf.config.list_logical_devices("TPU") else None
