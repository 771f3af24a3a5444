"""k-reciprocal re-ranking against the paper's algorithm, written densely and with sets."""

import numpy as np
import pytest

from glr.postprocess import reranking
from glr.postprocess.reranking import KReciprocal, Unranked
from glr.retrieval.neighbors import top_k


def clusters(seed: int, queries: int = 8, index: int = 50, size: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((7, size))[rng.integers(0, 7, queries + index)]
    values = values + rng.normal(0, 0.6, values.shape)
    values = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)
    return values[:queries], values[queries:]


def published(queries: np.ndarray, index: np.ndarray, k1: int, k2: int, weight: float) -> np.ndarray:
    """The final distance [Q, N], by definition: sets for R and R*, dense encodings, the Jaccard distance in full."""
    both = np.concatenate([queries, index]).astype(np.float64)
    count = len(both)
    distance = np.maximum(2 - 2 * both @ both.T, 0)
    distance /= distance.max(1, keepdims=True)
    order = [sorted(range(count), key=lambda j: (distance[i, j], j)) for i in range(count)]

    def nearest(i: int, k: int) -> set[int]:
        return set(order[i][: k + 1])

    def mutual(i: int, k: int) -> set[int]:
        return {j for j in nearest(i, k) if i in nearest(j, k)}

    encodings = np.zeros((count, count))
    for i in range(count):
        whole = set(mutual(i, k1))
        for j in mutual(i, k1):
            half = mutual(j, int(np.around(k1 / 2)))
            if len(half & mutual(i, k1)) > 2 / 3 * len(half):
                whole |= half
        members = sorted(whole)
        encodings[i, members] = np.exp(-distance[i, members])
        encodings[i] /= encodings[i].sum()
    encodings = np.array([encodings[order[i][:k2]].mean(0) for i in range(count)])
    smaller = np.minimum(encodings[: len(queries), None], encodings[None, len(queries) :]).sum(2)
    larger = np.maximum(encodings[: len(queries), None], encodings[None, len(queries) :]).sum(2)
    return (1 - weight) * (1 - smaller / larger) + weight * distance[: len(queries), len(queries) :]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("k1", "k2", "weight"), [(20, 6, 0.3), (5, 1, 0.0), (7, 3, 0.9), (6, 7, 0.5), (70, 6, 0.3)])
def test_of_the_whole_index_it_is_the_papers(
    seed: int, k1: int, k2: int, weight: float, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reranking, "_ROWS", 11)
    queries, index = clusters(seed)
    scores, positions = top_k(queries, index, len(index))
    choice = KReciprocal(k1=k1, k2=k2, weight=weight, depth=1000)
    scores, positions = choice(queries, index, scores, positions, 0.1)
    final = published(queries, index, min(k1, 57), k2, weight)
    np.testing.assert_allclose(1 - scores, np.take_along_axis(final, positions, 1), atol=2e-6)
    np.testing.assert_allclose(1 - scores, np.sort(final, 1), atol=2e-6)
    assert (np.diff(scores) <= 0).all()
    assert (np.sort(positions, 1) == np.arange(len(index))).all()


def test_only_the_first_are_ranked_anew():
    queries, index = clusters(4)
    before, first = top_k(queries, index, 30)
    scores, positions = KReciprocal(k1=20, k2=6, weight=0.3, depth=12)(queries, index, before, first, 0.1)
    final = published(queries, index, 20, 6, 0.3)
    for query in range(len(queries)):
        expected = sorted(first[query, :12], key=lambda position: final[query, position])
        np.testing.assert_array_equal(positions[query, :12], expected)
    np.testing.assert_array_equal(positions[:, 12:], first[:, 12:])
    assert (np.diff(scores) <= 0).all()
    assert (positions[:, :12] != first[:, :12]).any()


def test_without_neighbourhoods_it_is_the_first_ranking():
    queries, index = clusters(5)
    scores, positions = top_k(queries, index, 20)
    np.testing.assert_array_equal(
        KReciprocal(k1=20, k2=6, weight=1.0, depth=20)(queries, index, scores, positions, 0.1)[1], positions
    )
    np.testing.assert_array_equal(Unranked()(queries, index, scores, positions, 0.1)[1], positions)


def test_a_neighbourhood_tells_what_distance_does_not():
    """A stranger is as near to the query as its own kind, but belongs to others."""
    rng = np.random.default_rng(0)
    kind = np.array([1.0, 0.0, 0.0]) + rng.normal(0, 0.12, (12, 3))
    strangers = np.array([0.8, 0.6, 0.0]) + rng.normal(0, 0.12, (12, 3))
    values = np.concatenate([kind, strangers])
    index = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)
    query = np.array([[0.93, 0.36, 0.0]], np.float32)
    query /= np.linalg.norm(query)
    scores, positions = top_k(query, index, 24)
    _, after = KReciprocal(k1=8, k2=3, weight=0.1, depth=24)(query, index, scores, positions, 0.1)
    purity = [max((row[:12] < 12).sum(), (row[:12] >= 12).sum()) for row in (positions[0], after[0])]
    assert purity[1] > purity[0]


@pytest.mark.parametrize("bad", [{"k1": 0}, {"k2": 0}, {"k2": 22}, {"weight": 1.5}, {"depth": 0}])
def test_mistakes(bad: dict[str, float]):
    with pytest.raises(ValueError, match=f"{next(iter(bad))}="):
        KReciprocal(**({"k1": 20, "k2": 6, "weight": 0.3, "depth": 10} | bad))
