"""A search finds the same ensemble as brute force, and never looks at the Private queries."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from glr.ensemble.combining import combinations
from glr.ensemble.search import EnsembleLimits, search
from glr.errors import GlrError
from glr.retrieval.descriptors import Descriptors
from glr.retrieval.joint import Member
from glr.retrieval.landmarks import LandmarkTask
from tests.ensemble.conftest import INDEX, QUERIES, scored


@pytest.mark.parametrize("score", ["map_at_100", "gap", "recall_at_1"])
@pytest.mark.parametrize("depth", [INDEX, None])
def test_exhaustive_search_is_brute_force(
    members: list[Member], task: LandmarkTask, tmp_path: Path, score: str, depth: int | None
):
    tried = search(
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
    assert {(c.members, c.weights): c.score for c in tried} == pytest.approx(expected, abs=1e-6)
    assert tried[0].score == max(expected.values())


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
    tried = search(
        members,
        task,
        "map_at_100",
        method="greedy",
        limits=EnsembleLimits(4, None),
        weights=[1.0],
        depth=None,
        memory=1.0,
    )
    assert tried[0].members == chosen
    assert tried[0].score == pytest.approx(value(chosen), abs=1e-6)
    assert len(tried) == len({choice.members for choice in tried})


def test_private_queries_are_never_looked_at(members: list[Member], task: LandmarkTask):
    settings = {"method": "greedy", "limits": EnsembleLimits(3, None), "weights": [1.0], "depth": None, "memory": 1.0}
    before = search(members, task, "gap", **settings)
    spoilt = []
    for member in members:
        values = member.query.values.copy()
        values[[n for n in range(QUERIES) if task.recognition.usage[f"q{n}"] != "Public"]] = np.nan
        spoilt.append(Member(member.index, Descriptors(member.query.ids, values)))
    assert search(spoilt, task, "gap", **settings) == before


def test_limits_and_mistakes(members: list[Member], task: LandmarkTask):
    settings = {"method": "greedy", "weights": [1.0], "depth": None, "memory": 1.0}
    alone = search(members, task, "gap", limits=EnsembleLimits(1, 7), **settings)
    assert [choice.members for choice in alone] == [(2,)]
    with pytest.raises(GlrError, match=r"ensemble\.max_dimension=5: the smallest member has 6"):
        search(members, task, "gap", limits=EnsembleLimits(3, 5), **settings)
    with pytest.raises(GlrError, match="a search accepts at most 20 members, not 25; leave the worst out"):
        search(members * 5, task, "gap", limits=EnsembleLimits(3, None), **settings)
    with pytest.raises(GlrError, match=r"would try more than 100,000 combinations; lower ensemble\.max_members"):
        search(members * 4, task, "gap", limits=EnsembleLimits(20, None), **settings | {"method": "exhaustive"})
    only = LandmarkTask(task.retrieval, None, {})
    with pytest.raises(GlrError, match="score=gap: the members were evaluated without the solution that it needs"):
        search(members, only, "gap", limits=EnsembleLimits(3, None), **settings)
    assert combinations(5, lambda chosen: len(chosen) < 4, 2, 10**6) == 5 + 10 * 2 + 10 * 4
