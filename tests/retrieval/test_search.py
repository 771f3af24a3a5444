"""The search against NumPy's stable argsort."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from glr.errors import GlrError
from glr.retrieval import search
from glr.retrieval.search import top_k

# Queries 23, index 101: blocks of one row, that divide, that do not, of everything, of more.
BLOCKS = [(1, 101), (23, 10), (5, 7), (8, 101), (23, 101), (64, 500)]


def reference(queries, index, k):
    products = queries @ index.T
    positions = np.argsort(-products, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(products, positions, 1), positions


def tied(seed=0):
    """Small whole numbers: products are exact, and many are equal."""
    rng = np.random.default_rng(seed)
    return rng.integers(-1, 2, (23, 4)).astype(np.float32), rng.integers(-1, 2, (101, 4)).astype(np.float32)


@pytest.mark.parametrize(("query_block", "index_block"), BLOCKS)
def test_equal_scores_are_ordered_by_position(query_block, index_block):
    queries, index = tied()
    for k in (1, 12, 101):
        scores, positions = top_k(queries, index, k, query_block=query_block, index_block=index_block)
        expected_scores, expected_positions = reference(queries, index, k)
        assert (scores.dtype, positions.dtype) == (np.float32, np.int64)
        np.testing.assert_array_equal(scores, expected_scores)
        np.testing.assert_array_equal(positions, expected_positions)


def test_descriptors_and_their_duplicates():
    rng = np.random.default_rng(1)
    index = np.repeat(rng.standard_normal((300, 64)), 3, axis=0)[rng.permutation(900)].astype(np.float32)
    index /= np.linalg.norm(index, axis=1, keepdims=True)
    scores, positions = top_k(index[:50], index, 30, query_block=16, index_block=128)
    expected_scores, _ = reference(index[:50].astype(np.float64), index.astype(np.float64), 30)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-6)
    np.testing.assert_allclose(scores, np.einsum("qd,qkd->qk", index[:50], index[positions]), atol=1e-6)
    np.testing.assert_array_equal(index[positions[:, 0]], index[:50])
    same = scores[:, 1:] == scores[:, :-1]
    assert same.sum() >= 50 * 2
    assert (positions[:, 1:] > positions[:, :-1])[same].all()


def test_more_neighbours_than_the_index_holds():
    queries, index = tied()
    scores, positions = top_k(queries, index[:5] - 10, 100, index_block=2)
    np.testing.assert_array_equal(positions, reference(queries, index[:5] - 10, 5)[1])
    assert scores.shape == (23, 5)
    assert np.isfinite(scores).all()


def test_no_queries():
    scores, positions = top_k(np.zeros((0, 4), np.float32), tied()[1], 3)
    assert scores.shape == positions.shape == (0, 3)


def test_memory_mapped_and_other_float_types(tmp_path: Path):
    queries, index = tied()
    np.save(tmp_path / "index.npy", index.astype(np.float16))
    np.save(tmp_path / "queries.npy", queries.astype(np.float64))
    mapped = [np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("queries", "index")]
    np.testing.assert_array_equal(top_k(*mapped, 9, index_block=40)[1], reference(queries, index, 9)[1])


def test_one_trace_serves_every_block_and_every_call():
    queries, index = tied()
    top_k(queries, index, 6, query_block=7, index_block=9)
    merge: Any = search._merge
    traces = merge.experimental_get_tracing_count()
    top_k(queries + 1, index + 1, 6, query_block=7, index_block=9)
    assert merge.experimental_get_tracing_count() == traces


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_descriptors_that_are_no_numbers(bad):
    queries, index = tied()
    index[77, 2] = bad
    with pytest.raises(GlrError, match=r"^row 77 of the index descriptors holds NaN or infinity; the"):
        top_k(queries, index, 3, index_block=10)
    queries[20, 0] = bad
    with pytest.raises(GlrError, match=r"^row 20 of the query descriptors holds NaN or infinity; the"):
        top_k(queries, index[:50], 3, query_block=8)


def test_full_float32_inside_and_the_former_setting_after(monkeypatch: pytest.MonkeyPatch):
    enabled = tf.config.experimental.tensor_float_32_execution_enabled
    assert enabled()
    seen = []
    block = search._block
    monkeypatch.setattr(search, "_block", lambda *args: seen.append(enabled()) or block(*args))
    top_k(*tied(), 3)
    assert seen == [False, False]
    with pytest.raises(GlrError):
        top_k(np.full((1, 4), np.nan), tied()[1], 3)
    assert enabled()


def test_an_empty_index():
    with pytest.raises(GlrError, match=r"^the index holds no descriptors, so there is nothing to search$"):
        top_k(tied()[0], np.zeros((0, 4), np.float32), 3)


def test_different_dimensions():
    queries, index = tied()
    with pytest.raises(
        GlrError, match=r"^query descriptors have 4 dimensions, index descriptors 3; describe both with"
    ):
        top_k(queries, index[:, :3], 3)
