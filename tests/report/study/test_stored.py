"""Outcomes that runs stored, and those computed from their descriptors, against rankings by hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from glr.report.study import stored
from glr.report.study.stored import outcomes_of
from glr.retrieval import outcomes
from glr.statistics.bootstrap import bootstrap, percentile_interval
from glr.statistics.estimators import Mean
from glr.statistics.randomization import exchange_test, sign_flip_test
from glr.tracking.history import PastRun
from tests.report.study.heads import HEADS, RUNS, Answer, answers, bring, descriptors, gap, relevance

NAMES = ["arcface 0", "arcface 1", "adacos_semi 0", "adacos_semi 1"]
USAGES = ["Public", "Private"]
# ArcFace's mAP@100 minus AdaCos's, by seed
DIFFERENCES = {(0, "Public"): 0.0154, (0, "Private"): 0.0266, (1, "Public"): 0.0466, (1, "Private"): 0.0168}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[Path], Path]) -> Path:
    folder = tmp_path_factory.mktemp("heads")
    new_store(folder)
    return folder


@pytest.fixture(scope="module")
def runs(study: Path) -> dict[str, PastRun]:
    return {name: bring(study, name) for name in NAMES}


@pytest.fixture(scope="module")
def tables(runs: dict[str, PastRun]) -> dict[str, pa.Table]:
    """The outcomes of each run, computed from its descriptors."""
    computed = outcomes_of(list(runs.values()), compute=True)
    assert computed.notes == []
    return {name: computed[run.id] for name, run in runs.items()}


@pytest.fixture(scope="module")
def by_hand() -> dict[str, dict[str, dict[str, Answer]]]:
    return {name: answers(np.matmul(query, index.T)) for name in NAMES for query, index in [descriptors(name)]}


def test_the_fixture_is_small():
    assert len(RUNS) == 4
    assert sum(file.stat().st_size for file in HEADS.iterdir()) < 300_000


@pytest.mark.parametrize("name", NAMES)
def test_outcomes_computed_from_descriptors_are_those_by_hand(
    name: str, tables: dict[str, pa.Table], by_hand: dict[str, dict[str, dict[str, Answer]]]
):
    rows = tables[name].to_pylist()
    expected = {(usage, query): a for usage, each in by_hand[name].items() for query, a in each.items()}
    assert len(rows) == len(expected) == 150
    for row in rows:
        answer = expected[row["usage"], row["id"]]
        assert row["ap"] == pytest.approx(answer.precision, abs=1e-12)
        assert row["confidence"] == pytest.approx(answer.confidence, abs=1e-5)
        assert row["right"] == answer.right


def test_they_are_stored_and_read_the_next_time(runs: dict[str, PastRun], tables: dict[str, pa.Table]):
    some = ["id", "ap", "nearest"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "_computed", None)
        again = outcomes_of(list(runs.values()), compute=True, columns=some)
        assert outcomes_of(list(runs.values()), compute=False)[runs["arcface 1"].id].equals(tables["arcface 1"])
    assert again.notes == []
    for name, run in runs.items():
        assert again[run.id].equals(tables[name].select(some))
    settings = outcomes.load(runs["arcface 0"].stored(outcomes.FILE))[1]
    assert settings == {"neighbors": 3}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("usage", USAGES)
def test_the_paired_difference_of_two_heads_with_one_seed(
    seed: int, usage: str, tables: dict[str, pa.Table], by_hand: dict[str, dict[str, dict[str, Answer]]]
):
    """The interval of the difference, by drawing copies of queries instead of counts, and ranking them anew."""
    pair = [f"arcface {seed}", f"adacos_semi {seed}"]
    estimators = [outcomes.estimators(tables[name])[usage] for name in pair]
    queries = outcomes.by_usage(tables[pair[0]])[usage]["id"].to_pylist()
    first, second = ([by_hand[name][usage][query] for query in queries] for name in pair)
    picks = np.random.default_rng(7)
    drawn = {"map_at_100": [], "gap": []}
    for _ in range(300):
        chosen = picks.integers(0, len(queries), len(queries), np.int32)
        ours, theirs = ([answered[place] for place in chosen] for answered in (first, second))
        drawn["map_at_100"].append(np.mean([a.precision - b.precision for a, b in zip(ours, theirs, strict=True)]))
        drawn["gap"].append(gap(ours) - gap(theirs))
    for metric, expected in drawn.items():
        values = bootstrap([of_run[metric] for of_run in estimators], len(queries), 300, seed=7)
        np.testing.assert_allclose(values[:, 0] - values[:, 1], expected, atol=1e-12)
        assert percentile_interval(values[:, 0] - values[:, 1]) == pytest.approx(
            np.percentile(expected, [2.5, 97.5], method="weibull"), abs=1e-12
        )
    logged = [RUNS[name]["metrics"][f"{usage.lower()}/map_at_100"] for name in pair]
    difference = float(np.mean([a.precision - b.precision for a, b in zip(first, second, strict=True)]))
    assert difference == pytest.approx(logged[0] - logged[1], abs=1e-12)
    assert round(difference, 4) == DIFFERENCES[seed, usage]
    precisions = [(a.precision, b.precision) for a, b in zip(first, second, strict=True)]
    counted = sum(a - b > 1e-12 for a, b in precisions), sum(b - a > 1e-12 for a, b in precisions)
    ours, theirs = ([tables[name]] for name in pair)
    assert outcomes.wins(ours, theirs, usage, "map_at_100") == counted
    rights = [(a.right, b.right) for a, b in zip(first, second, strict=True)]
    assert outcomes.wins(ours, theirs, usage, "gap") == (rights.count((True, False)), rights.count((False, True)))


def test_two_copies_of_a_run_do_not_differ(study: Path, runs: dict[str, PastRun]):
    copy = bring(study, "copy", "arcface 0")
    pair = outcomes_of([runs["arcface 0"], copy], compute=True)
    for usage in USAGES:
        rows = [outcomes.by_usage(table)[usage] for table in pair.values()]
        for metric in outcomes.query_values(rows[0]):
            values = bootstrap([outcomes.estimators(table)[usage][metric] for table in pair.values()], 75, 200)
            assert (values[:, 0] == values[:, 1]).all()
            assert outcomes.wins([pair[copy.id]], [pair[runs["arcface 0"].id]], usage, metric) == (0, 0)
        precisions = [outcomes.query_values(each)["map_at_100"] for each in rows]
        assert sign_flip_test(precisions[0] - precisions[1]) == 1
        answered = [each.to_pydict() for each in rows]
        confidences, rights = (tuple(each[name] for each in answered) for name in ("confidence", "right"))
        assert exchange_test(answered[0]["id"], confidences, rights, answered[0]["shown"], 200) == 1


def test_the_interval_of_a_run_and_its_noised_copy_holds_the_truth(by_hand: dict[str, dict[str, dict[str, Answer]]]):
    """Of 3,000 queries, samples of 75: the truth is the difference over all of them."""
    random = np.random.default_rng(0)
    query, index = descriptors("arcface 0")
    crowd = np.concatenate([query, *(query + random.normal(0, 0.15, query.shape) for _ in range(19))])
    noised = crowd + random.normal(0, 0.05, crowd.shape)
    right = np.tile(relevance(), (20, 1))
    ranks = np.arange(1, 101)
    precisions = []
    for own in (crowd, noised):
        order = np.argsort(-(own @ index.T), axis=1, kind="stable")[:, :100]
        hits = np.take_along_axis(right, order, axis=1)
        precisions.append((hits * hits.cumsum(axis=1) / ranks).sum(axis=1) / right.sum(axis=1))
    answered = sorted(a.precision for each in by_hand["arcface 0"].values() for a in each.values())
    np.testing.assert_allclose(np.sort(precisions[0][:150]), answered, atol=1e-12)
    truth = float(precisions[1].mean() - precisions[0].mean())
    assert -0.03 < truth < -0.002  # noise does a little harm
    held = 0
    for number in range(100):
        sample = np.random.default_rng(number).choice(3000, 75, replace=False)
        values = bootstrap([Mean(own[sample]) for own in precisions], 75, 300, seed=number)
        low, high = percentile_interval(values[:, 1] - values[:, 0])
        held += low <= truth <= high
    assert 90 <= held <= 99


def test_an_ensemble_is_joined_from_its_members(study: Path, runs: dict[str, PastRun]):
    members = [runs["arcface 0"], runs["adacos_semi 1"]]
    cosines = []
    for run in members:
        query, index = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in descriptors(run.name))
        cosines.append(query @ index.T)
    expected = answers((2 * cosines[0] + cosines[1]) / 3, neighbors=1)
    ids = f'["{members[0].id}", "{members[1].id}"]'
    metrics = {f"{usage.lower()}/gap": gap(list(each.values())) for usage, each in expected.items()}
    params = {"members": ids, "weights": "[2.0, 1.0]", "neighbors": "1"}
    metrics = dict.fromkeys(RUNS["arcface 0"]["metrics"]) | metrics
    ensemble = bring(study, "joint", "arcface 0", described=False, kind="ensemble", params=params, metrics=metrics)
    computed = outcomes_of([ensemble], compute=True)
    assert computed.notes == []
    for row in computed[ensemble.id].to_pylist():
        answer = expected[row["usage"]][row["id"]]
        assert row["ap"] == pytest.approx(answer.precision, abs=1e-12)
        assert row["confidence"] == pytest.approx(answer.confidence, abs=1e-5)
    settings = outcomes.load(ensemble.stored(outcomes.FILE))[1]
    assert settings == {"members": [run.id for run in members], "weights": [2.0, 1.0], "neighbors": 1}


def test_an_evaluation_classifies_as_its_parent_and_reranking_is_refused(
    study: Path, runs: dict[str, PastRun], tables: dict[str, pa.Table]
):
    parent = {"tags": {"mlflow.parentRunId": runs["arcface 0"].id}}
    own = {"neighbors": "null", "reranking": "none"}
    evaluation = bring(study, "again", "arcface 0", kind="evaluation", params=own, **parent)
    reranked = bring(
        study, "reranked", "arcface 0", kind="evaluation", params=own | {"reranking": "k_reciprocal"}, **parent
    )
    computed = outcomes_of([evaluation, reranked], compute=True)
    assert list(computed) == [evaluation.id]
    assert computed[evaluation.id].equals(tables["arcface 0"])
    assert computed.notes == [
        "the outcomes of 1 of 2 runs cannot be used: reranked (reranking=k_reciprocal changed its rankings: evaluate "
        "it again)"
    ]
