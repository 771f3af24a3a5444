"""An ensemble ranks by the weighted mean of its members' cosines."""

import numpy as np
import pytest

from glr.data.solution import Solution
from glr.ensemble.ensemble import Ensemble
from glr.retrieval.descriptors import Descriptors
from glr.retrieval.joint import Member
from glr.retrieval.landmarks import LandmarkTask
from glr.tracking.history import PastRun

INDEX, QUERIES = 50, 12


def past(name: str) -> PastRun:
    return PastRun(f"id of {name}", name, "study", "FINISHED", 0, {}, {}, {}, "")


@pytest.fixture
def ensemble() -> Ensemble:
    rng = np.random.default_rng(0)
    ids = [f"i{n}" for n in range(INDEX)], [f"q{n}" for n in range(QUERIES)]
    members = [
        Member(*(Descriptors(names, rng.standard_normal((len(names), dimension)).astype(np.float32)) for names in ids))
        for dimension in (8, 3, 5)
    ]
    return Ensemble([past("a"), past("b"), past("c")], members, [1.0, 1.0, 1.0])


@pytest.mark.parametrize(("positions", "weights"), [((0, 1, 2), (1.0, 1.0, 1.0)), ((2, 0), (0.5, 3.0)), ((1,), (2.0,))])
def test_scores_are_those_of_the_mean_cosine(
    ensemble: Ensemble, positions: tuple[int, ...], weights: tuple[float, ...]
):
    relevant = {f"q{n}": frozenset(f"i{(n * k) % INDEX}" for k in (1, 3, 7)) for n in range(QUERIES)}
    usage = {f"q{n}": ("Public", "Private")[n % 2] for n in range(QUERIES)}
    actual, _ = ensemble.chosen(positions, weights).scores(
        LandmarkTask(Solution(relevant, usage, "retrieval"), None, {}), memory=1.0
    )
    means = np.zeros((QUERIES, INDEX))
    for position, weight in zip(positions, weights, strict=True):
        index, query = (
            part.values / np.linalg.norm(part.values, axis=1, keepdims=True)
            for part in (ensemble.members[position].index, ensemble.members[position].query)
        )
        means += weight * query @ index.T
    for wanted in ("Public", "Private"):
        precisions = []
        for number in (n for n in range(QUERIES) if usage[f"q{n}"] == wanted):
            right = np.array([f"i{i}" in relevant[f"q{number}"] for i in np.argsort(-means[number])])
            precisions.append((right.cumsum() / np.arange(1, INDEX + 1))[right].mean())
        assert actual[f"{wanted.lower()}/map_at_100"] == pytest.approx(np.mean(precisions), abs=1e-6)


def test_chosen_members_keep_their_order_and_their_weights(ensemble: Ensemble):
    chosen = ensemble.chosen((2, 0), (0.5, 3.0))
    assert (chosen.names, chosen.weights, chosen.dimension) == (["a", "c"], [3.0, 0.5], 13)
    assert [run.id for run in chosen.runs] == ["id of a", "id of c"]
    assert [member.dimension for member in chosen.members] == [8, 5]
