"""The search without TensorFlow finds what a stable sort of all products finds, whatever the blocks."""

import numpy as np
import pytest

from glr.errors import GlrError
from glr.retrieval import nearest as module
from glr.retrieval.nearest import nearest


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
@pytest.mark.parametrize("k", [1, 7, 40, 99])
@pytest.mark.parametrize(("rows", "queries"), [(1, 1), (7, 2), (8192, 1024)])
def test_the_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch, dtype: str, k: int, rows: int, queries: int):
    """Small whole numbers: every sum is exact, and many products are equal, so that their order is tested."""
    monkeypatch.setattr(module, "_ROWS", rows)
    monkeypatch.setattr(module, "_QUERIES", queries)
    random = np.random.default_rng(0)
    index = random.integers(-2, 3, (40, 3)).astype("float32" if dtype == "float64" else dtype)
    asked = random.integers(-2, 3, (5, 3)).astype(dtype)
    products = asked.astype(float) @ index.astype(float).T
    order = np.argsort(-products, axis=1, kind="stable")[:, :k]
    scores, positions = nearest(asked, index, k)
    np.testing.assert_array_equal(positions, order)
    np.testing.assert_array_equal(scores, np.take_along_axis(products, order, 1))


def test_what_cannot_be_searched():
    index = np.eye(3, dtype=np.float32)
    with pytest.raises(GlrError, match="the query descriptors are 2 x 4, those of the index have 3 dimensions"):
        nearest(np.ones((2, 4)), index, 1)
    with pytest.raises(GlrError, match="a query's descriptor holds NaN or infinity"):
        nearest(np.array([[0, np.inf, 0]]), index, 1)
    damaged = index.copy()
    damaged[1, 1] = np.nan
    for values, query in ((damaged, index[:1]), (index * -1e30, np.full((1, 3), 1e30, np.float32))):
        with np.errstate(over="ignore"), pytest.raises(GlrError, match="similarities are NaN or infinite"):
            nearest(query, values, 1)
