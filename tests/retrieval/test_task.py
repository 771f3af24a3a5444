"""From descriptors to scores: random ones against a slow reference, and what re-ranking is given."""

from typing import Any

import numpy as np
import pytest

from glr.data.solution import Solution
from glr.errors import GlrError
from glr.retrieval.descriptors import Descriptors
from glr.retrieval.landmarks import LandmarkTask
from glr.retrieval.metrics import recognition_metrics, retrieval_metrics
from glr.retrieval.task import evaluate


@pytest.mark.parametrize("seed", range(4))
def test_against_a_slow_reference(seed: int):
    rng = np.random.default_rng(seed)
    index, queries = rng.standard_normal((300, 8)), rng.standard_normal((40, 8))
    index, queries = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (index, queries))
    index_ids, query_ids = [f"i{n}" for n in range(300)], [f"q{n}" for n in range(40)]
    classes = [str(n) for n in rng.integers(0, 12, 300)]
    usage = {query: ("Public", "Private", "Ignored")[n % 3] for n, query in enumerate(query_ids)}
    relevant = {query: frozenset(rng.choice(index_ids, rng.integers(0, 9))) for query in query_ids}
    shown = {query: frozenset(rng.choice(classes, rng.integers(0, 3))) for query in query_ids}
    rankings, predictions = {}, {}
    for query, descriptor in zip(query_ids, queries, strict=True):
        order = sorted(range(300), key=lambda n: -(index[n] @ descriptor))
        rankings[query] = [index_ids[n] for n in order[:100]]
        near = order[:5]
        totals = {c: sum(index[n] @ descriptor for n in near if classes[n] == c) for c in (classes[n] for n in near)}
        predictions[query] = max(totals.items(), key=lambda item: item[1])
    task = LandmarkTask(
        Solution(relevant, usage, "retrieval"),
        Solution(shown, usage, "recognition"),
        dict(zip(index_ids, classes, strict=True)),
        neighbors=5,
    )
    result, ranking = evaluate(task, Descriptors(index_ids, index), Descriptors(query_ids, queries), memory=0.001)
    assert ranking.positions.shape == (40, 100)
    for wanted in ("Public", "Private"):
        of_usage = [query for query in query_ids if usage[query] == wanted]
        expected = retrieval_metrics({q: relevant[q] for q in of_usage}, rankings)
        expected |= recognition_metrics({q: shown[q] for q in of_usage}, predictions)
        actual = {name: result[f"{wanted.lower()}/{name}"] for name in expected}
        assert actual == pytest.approx(expected, abs=1e-6)


# Landmarks x, x, y, x at 0, 20, 50 and 90 degrees.
ANGLES = np.radians([0, 20, 50, 90])
INDEX = Descriptors(list("abcd"), np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1).astype(np.float32))
TASK = LandmarkTask(
    None,
    Solution({"q": frozenset("x"), "r": frozenset("y")}, {"q": "Public", "r": "Private"}, "recognition"),
    dict(zip("abcd", "xxyx", strict=True)),
)


def test_a_reranking_gets_as_many_neighbours_as_it_wants():
    class Backwards:
        depth = 4

        def __call__(self, queries: Any, index: Any, scores: Any, positions: Any, memory: float) -> Any:  # noqa: ARG002
            assert positions.shape == (2, 4)
            return -scores[:, ::-1], positions[:, ::-1]

    query = Descriptors(["q", "r"], np.array([[1, 0], [0, 1]], np.float32))
    scores, ranking = evaluate(TASK, INDEX, query, rerank=Backwards())
    np.testing.assert_array_equal(ranking.positions, [[3, 2, 1, 0], [0, 1, 2, 3]])
    assert (scores["public/top1_accuracy"], scores["private/top1_accuracy"]) == (1, 0)  # d and a, both of x


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (Descriptors(["q"], np.eye(4, 2)), "query ids and descriptors differ: 1 and 4"),
        (
            Descriptors(["q", "r"], np.eye(2, 3)),
            "query descriptors have 3 dimensions, index descriptors 2; describe both with one model",
        ),
    ],
)
def test_descriptors_that_do_not_fit_together(query: Descriptors, message: str):
    with pytest.raises(GlrError, match=f"^{message}$"):
        evaluate(TASK, INDEX, query)
