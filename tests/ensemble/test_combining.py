"""Ensembles: concatenation is the mean of cosines, and a search finds what brute force finds."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from glr.data.solution import Solution
from glr.ensemble.combining import Candidates, Member, check_members, combinations, joined
from glr.ensemble.search import EnsembleLimits, search
from glr.errors import GlrError
from glr.retrieval.descriptors import Descriptors
from glr.retrieval.landmarks import LandmarkTask
from glr.retrieval.task import evaluate

INDEX, QUERIES, CLASSES = 240, 60, 30


def normalised(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def members() -> list[Member]:
    """Five noisy views of the same classes, of different dimensions; float16 among them."""
    made = []
    for number, (dimension, noise) in enumerate([(8, 2.6), (12, 2.2), (6, 1.5), (16, 3.0), (8, 1.9)]):
        rng = np.random.default_rng(number)
        centres = rng.standard_normal((CLASSES, dimension))
        index, query = (
            centres[np.arange(count) % CLASSES] + rng.normal(0, noise / 2, (count, dimension))
            for count in (INDEX, QUERIES)
        )
        dtype = np.float16 if number == 3 else np.float32
        index_ids, query_ids = [f"i{n}" for n in range(INDEX)], [f"q{n}" for n in range(QUERIES)]
        described = (normalised(index).astype(dtype), normalised(query).astype(dtype))
        made.append(Member(Descriptors(index_ids, described[0]), Descriptors(query_ids, described[1])))
    return made


@pytest.fixture(scope="module")
def task() -> LandmarkTask:
    usage = {f"q{n}": ("Public", "Private", "Public", "Ignored")[n % 4] for n in range(QUERIES)}
    relevant = {f"q{n}": frozenset(f"i{i}" for i in range(n % CLASSES, INDEX, CLASSES)) for n in range(QUERIES)}
    shown = {f"q{n}": frozenset([str(n % CLASSES)] if n % 5 else []) for n in range(QUERIES)}
    classes = {f"i{n}": str(n % CLASSES) for n in range(INDEX)}
    return LandmarkTask(Solution(relevant, usage, "retrieval"), Solution(shown, usage, "recognition"), classes)


def scored(members: list[Member], weights: list[float], task: LandmarkTask, folder: Path) -> dict[str, float]:
    index = joined([member.index for member in members], weights, folder / "index.npy")
    query = joined([member.query for member in members], weights, folder / "query.npy")
    return evaluate(task, index, query)[0]


def test_inner_products_of_the_joint_descriptors_are_weighted_means_of_cosines(members: list[Member], tmp_path: Path):
    weights = [2.0, 0.5, 1.0]
    index = joined([member.index for member in members[1:4]], weights, tmp_path / "index.npy").values
    query = joined([member.query for member in members[1:4]], weights, tmp_path / "query.npy").values
    cosines = [
        normalised(m.query.values.astype(float)) @ normalised(m.index.values.astype(float)).T for m in members[1:4]
    ]
    expected = sum(w * c for w, c in zip(weights, cosines, strict=True)) / 3.5
    assert index.shape == (INDEX, 12 + 6 + 16)
    np.testing.assert_allclose(query @ index.T, expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(index, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("score", ["map_at_100", "gap", "recall_at_1"])
@pytest.mark.parametrize("depth", [INDEX, None])
def test_exhaustive_search_is_brute_force(
    members: list[Member], task: LandmarkTask, tmp_path: Path, score: str, depth: int | None
):
    found = search(
        members,
        task,
        score,
        method="exhaustive",
        limits=EnsembleLimits(3, 30),
        weights=[1.0, 0.5],
        depth=depth,
        memory=1e-5,
    )
    expected = {}
    for size in (1, 2, 3):
        for chosen in itertools.combinations(range(5), size):
            if sum(members[n].dimension for n in chosen) > 30:
                continue
            for weights in itertools.product([1.0, 0.5], repeat=size - 1):
                some = [members[n] for n in chosen]
                expected[chosen, (1.0, *weights)] = scored(some, [1.0, *weights], task, tmp_path)[f"public/{score}"]
    assert {(c.members, c.weights): c.score for c in found} == pytest.approx(expected, abs=1e-6)
    assert found[0].score == max(expected.values())


def test_greedy_search_takes_the_best_step_each_time(members: list[Member], task: LandmarkTask, tmp_path: Path):
    def value(chosen: tuple[int, ...]) -> float:
        return scored([members[n] for n in chosen], [1.0] * len(chosen), task, tmp_path)["public/map_at_100"]

    chosen: tuple[int, ...] = ()
    while len(chosen) < 4:
        steps = {(*chosen, n): value((*chosen, n)) for n in range(5) if n not in chosen}
        best = max(steps, key=lambda option: steps[option])
        if chosen and steps[best] <= value(chosen):
            break
        chosen = best
    assert len(chosen) > 1
    found = search(
        members,
        task,
        "map_at_100",
        method="greedy",
        limits=EnsembleLimits(4, None),
        weights=[1.0],
        depth=None,
        memory=1.0,
    )
    assert found[0].members == chosen
    assert found[0].score == pytest.approx(value(chosen), abs=1e-6)
    assert len(found) == len({choice.members for choice in found})


def test_private_queries_are_never_looked_at(members: list[Member], task: LandmarkTask):
    settings = {"method": "greedy", "limits": EnsembleLimits(3, None), "weights": [1.0], "depth": None, "memory": 1.0}
    before = search(members, task, "gap", **settings)
    spoilt = []
    for member in members:
        values = member.query.values.copy()
        values[[n for n in range(QUERIES) if task.recognition.usage[f"q{n}"] != "Public"]] = np.nan
        spoilt.append(Member(member.index, Descriptors(member.query.ids, values)))
    assert search(spoilt, task, "gap", **settings) == before


def test_each_similarity_is_computed_once(members: list[Member], monkeypatch: pytest.MonkeyPatch):
    computed = []
    similarities = __import__("glr.ensemble.combining", fromlist=["_similarities"])._similarities
    monkeypatch.setattr(
        "glr.ensemble.combining._similarities",
        lambda member, scales, queries: computed.append(len(queries)) or similarities(member, scales, queries),
    )
    Candidates(members, np.arange(40), depth=5, memory=1e-5)
    assert sum(computed) == 40 * 5
    assert max(computed) < 40


def test_limits_and_mistakes(members: list[Member], task: LandmarkTask):
    settings = {"method": "greedy", "weights": [1.0], "depth": None, "memory": 1.0}
    alone = search(members, task, "gap", limits=EnsembleLimits(1, 7), **settings)
    assert [choice.members for choice in alone] == [(2,)]
    with pytest.raises(GlrError, match=r"ensemble\.max_dimension=5: the smallest member has 6"):
        search(members, task, "gap", limits=EnsembleLimits(3, 5), **settings)
    with pytest.raises(GlrError, match="a search takes at most 20 members, these are 25; leave the worst out"):
        search(members * 5, task, "gap", limits=EnsembleLimits(3, None), **settings)
    with pytest.raises(GlrError, match=r"would try more than 100,000 combinations; lower ensemble\.max_members"):
        search(members * 4, task, "gap", limits=EnsembleLimits(20, None), **settings | {"method": "exhaustive"})
    only = LandmarkTask(task.retrieval, None, {})
    with pytest.raises(GlrError, match="score=gap: the members were evaluated without the solution that it needs"):
        search(members, only, "gap", limits=EnsembleLimits(3, None), **settings)
    assert combinations(5, lambda chosen: len(chosen) < 4, 2, 10**6) == 5 + 10 * 2 + 10 * 4


def test_members_of_different_sets(members: list[Member]):
    other = Member(members[1].index, Descriptors([*members[1].query.ids[:-1], "new"], members[1].query.values))
    check_members(members, list("abcde"))
    with pytest.raises(
        GlrError, match=r"^a and b describe different query images \(60 and 60, 59 of them the same\); members have"
    ):
        check_members([members[0], other], ["a", "b"])


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_descriptors_that_are_no_numbers(members: list[Member], bad: float, tmp_path: Path):
    values = members[0].index.values.copy()
    values[17] = bad
    broken = Descriptors(members[0].index.ids, values)
    with pytest.raises(GlrError, match=r"^row 17 of a member's descriptors is zero or holds NaN; the model"):
        joined([broken], [1.0], tmp_path / "x.npy")
    with pytest.raises(GlrError, match=r"^row 17 of a member's descriptors is zero or holds NaN; the model"):
        Candidates([Member(broken, members[0].query)], np.arange(3), depth=5, memory=1.0)
