"""The search against NumPy's stable argsort."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from glr.devices.precision import tensor_float_32
from glr.errors import GlrError
from glr.retrieval import neighbors
from glr.retrieval.neighbors import top_k

# Of 23 queries and 101 index rows: rows of a block of queries, of one of the index, and of a chunk.
BLOCKS = [(1, 101, 1), (23, 10, 2), (5, 7, 1), (8, 101, 32), (23, 32, 32), (7, 64, 32), (23, 50, 8), (64, 500, 16)]


def block(monkeypatch: pytest.MonkeyPatch, queries: int, index: int, chunk: int, dimension: int) -> float:
    """Make the search work in blocks of these sizes; return the memory that it needs."""
    monkeypatch.setattr(neighbors, "_ROWS", queries + 1)
    monkeypatch.setattr(neighbors, "_FEWEST", queries + 1)
    monkeypatch.setattr(neighbors, "_CHUNK", chunk)
    return index * 4 * (queries + 1 + dimension) / 1e9


def reference(queries, index, k):
    products = queries @ index.T
    positions = np.argsort(-products, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(products, positions, 1), positions


def tied(seed=0):
    """Small whole numbers: products are exact, and many are equal."""
    rng = np.random.default_rng(seed)
    return rng.integers(-1, 2, (23, 4)).astype(np.float32), rng.integers(-1, 2, (101, 4)).astype(np.float32)


@pytest.mark.parametrize("blocks", BLOCKS)
def test_equal_scores_are_ordered_by_position(blocks, monkeypatch: pytest.MonkeyPatch):
    queries, index = tied()
    memory = block(monkeypatch, *blocks, 4)
    for k in (1, 12, 101):
        scores, positions = top_k(queries, index, k, memory=memory)
        expected_scores, expected_positions = reference(queries, index, k)
        assert (scores.dtype, positions.dtype) == (np.float32, np.int64)
        np.testing.assert_array_equal(scores, expected_scores)
        np.testing.assert_array_equal(positions, expected_positions)


def test_results_do_not_depend_on_blocks_or_on_other_queries():
    rng = np.random.default_rng(5)
    index = rng.standard_normal((5000, 48)).astype(np.float32)[rng.integers(0, 5000, 9000)]
    queries = rng.standard_normal((300, 48)).astype(np.float32)
    scores, positions = top_k(queries, index, 40)
    for memory in (1e-9, 0.0007, 0.004):  # blocks of 32, some 500 and some 1800 rows
        again = top_k(queries, index, 40, memory=memory)
        np.testing.assert_array_equal(again[0], scores)
        np.testing.assert_array_equal(again[1], positions)
    some = top_k(queries[17:20], index, 40)
    np.testing.assert_array_equal(some[0], scores[17:20])
    np.testing.assert_array_equal(some[1], positions[17:20])
    equal = scores[:, 1:] == scores[:, :-1]
    assert equal.sum() > 1000
    assert (positions[:, 1:] > positions[:, :-1])[equal].all()
    exact = np.take_along_axis(queries.astype(np.float64) @ index.T, positions, 1)
    np.testing.assert_allclose(scores, exact, rtol=0, atol=1e-5)
    assert (np.sort(queries.astype(np.float64) @ index.T, 1)[:, -40] <= exact.min(1) + 1e-5).all()


def test_descriptors_and_their_duplicates():
    rng = np.random.default_rng(1)
    index = np.repeat(rng.standard_normal((300, 64)), 3, axis=0)[rng.permutation(900)].astype(np.float32)
    index /= np.linalg.norm(index, axis=1, keepdims=True)
    scores, positions = top_k(index[:50], index, 30, memory=1e-4)
    expected_scores, _ = reference(index[:50].astype(np.float64), index.astype(np.float64), 30)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-6)
    np.testing.assert_allclose(scores, np.einsum("qd,qkd->qk", index[:50], index[positions]), atol=1e-6)
    np.testing.assert_array_equal(index[positions[:, 0]], index[:50])
    same = scores[:, 1:] == scores[:, :-1]
    assert same.sum() >= 50 * 2
    assert (positions[:, 1:] > positions[:, :-1])[same].all()


def test_more_neighbours_than_the_index_holds():
    queries, index = tied()
    scores, positions = top_k(queries, index[:5] - 10, 100)
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
    np.testing.assert_array_equal(top_k(*mapped, 9, memory=1e-9)[1], reference(queries, index, 9)[1])
    half = queries.astype(np.float16)
    np.testing.assert_array_equal(top_k(half, mapped[1], 9)[1], reference(queries, index, 9)[1])
    np.testing.assert_array_equal(top_k(half, index, 9)[1], reference(queries, index, 9)[1])


def test_one_trace_serves_every_block_and_every_call():
    queries, index = tied()
    top_k(queries, index, 6, memory=1e-9)
    merge: Any = neighbors._merge
    traces = merge.experimental_get_tracing_count()
    top_k(queries[:7] + 1, index + 1, 6, memory=1e-9)
    assert merge.experimental_get_tracing_count() == traces


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_descriptors_that_are_no_numbers(bad):
    queries, index = tied()
    index[77, 2] = bad
    with pytest.raises(GlrError, match=r"^row 77 of the index descriptors holds NaN or infinity; the"):
        top_k(queries, index, 3, memory=1e-9)
    queries[20, 0] = bad
    with pytest.raises(GlrError, match=r"^row 20 of the query descriptors holds NaN or infinity; the"):
        top_k(queries, index[:50], 3)


def test_full_float32_inside_and_the_former_setting_after(monkeypatch: pytest.MonkeyPatch):
    enabled = tf.config.experimental.tensor_float_32_execution_enabled
    seen = []
    rows = neighbors._rows
    monkeypatch.setattr(neighbors, "_rows", lambda *args: seen.append(enabled()) or rows(*args))
    with tensor_float_32(True):
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
