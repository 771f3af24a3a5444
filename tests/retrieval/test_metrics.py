"""The official scoring code's values, and NumPy re-implementations on random cases, written another way."""

import doctest
import json
import random
import time
from pathlib import Path

import numpy as np
import pytest

from glr.errors import GlrError
from glr.retrieval import metrics

CASES = json.loads((Path(__file__).parent / "official_cases.json").read_text())
official = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{len(case['retrieval_solution'])} queries")


def sets(solution):
    return {image: set(answers) for image, answers in solution.items()}


@official
def test_official_values_of_retrieval(case):
    solution, predictions, expected = sets(case["retrieval_solution"]), case["retrieval_predictions"], case["expected"]
    values = {
        "map_at_100": metrics.mean_average_precision(solution, predictions),
        "mean_precision_at_1": metrics.mean_precision(solution, predictions, 1),
        "mean_precision_at_10": metrics.mean_precision(solution, predictions, 10),
        "mean_position": metrics.mean_position(solution, predictions),
        "median_position": metrics.median_position(solution, predictions),
    }
    assert values == pytest.approx({name: expected[name] for name in values}, abs=1e-9, rel=0)
    every = metrics.retrieval_metrics(solution, predictions)
    assert [every[name] for name in ("map_at_100", "mean_position", "median_position")] == [
        values[name] for name in ("map_at_100", "mean_position", "median_position")
    ]
    assert every["mp_at_10"] == pytest.approx(expected["mean_precision_at_10"], abs=1e-9, rel=0)
    # One image at most stands at rank 1.
    assert every["recall_at_1"] == pytest.approx(expected["mean_precision_at_1"], abs=1e-9, rel=0)


@official
def test_official_values_of_recognition(case):
    solution, expected = sets(case["recognition_solution"]), case["expected"]
    predictions = {image: (row["class"], row["score"]) for image, row in case["recognition_predictions"].items()}
    landmarks = {image: shown for image, shown in solution.items() if shown}
    assert metrics.recognition_metrics(solution, predictions) == pytest.approx(
        {name: expected[name] for name in ("gap", "top1_accuracy")}, abs=1e-9, rel=0
    )
    # Predictions of images that the solution leaves out do not count.
    assert metrics.global_average_precision(landmarks, predictions) == pytest.approx(
        expected["gap_ignoring_non_landmarks"], abs=1e-9, rel=0
    )


def random_retrieval(seed):
    """Rankings with repeated images, empty ones, unanswered queries and queries without a relevant image."""
    rng = random.Random(seed)
    index = [f"i{number}" for number in range(rng.choice([20, 400]))]
    solution = {f"q{n}": set(rng.sample(index, rng.choice([0, 1, 3, 15]))) for n in range(30)} | {"sure": {index[0]}}
    answered = [query for query in solution if rng.random() < 0.8]
    return solution, {query: rng.choices(index, k=rng.choice([0, 4, 60, 150])) for query in answered}


def first_hits(solution, predictions, k):
    """Return bool [queries, k], where a relevant image appears first, and the counts of relevant images."""
    queries = [query for query in solution if solution[query]]
    hits = np.zeros((len(queries), k), bool)
    for row, query in zip(hits, queries, strict=True):
        images, ranks = np.unique(predictions.get(query, []), return_index=True)
        row[[r for i, r in zip(images, ranks, strict=True) if i in solution[query] and r < k]] = True
    return hits, np.array([len(solution[query]) for query in queries])


@pytest.mark.parametrize("seed", range(20))
def test_retrieval_against_numpy(seed):
    solution, predictions = random_retrieval(seed)
    hits, relevant = first_hits(solution, predictions, 100)
    precision = hits.cumsum(1) / np.arange(1, 101)
    position = np.where(hits.any(1), hits.argmax(1) + 1, 101)
    assert metrics.retrieval_metrics(solution, predictions) == pytest.approx(
        {
            "map_at_100": ((precision * hits).sum(1) / np.minimum(relevant, 100)).mean(),
            "mp_at_10": precision[:, 9].mean(),
            "recall_at_1": hits[:, 0].mean(),
            "recall_at_5": hits[:, :5].any(1).mean(),
            "recall_at_10": hits[:, :10].any(1).mean(),
            "mean_position": position.mean(),
            "median_position": np.median(position),
        },
        abs=1e-12,
    )
    assert metrics.retrieval_metrics(solution, predictions, 7)["map_at_7"] == pytest.approx(
        ((precision * hits)[:, :7].sum(1) / np.minimum(relevant, 7)).mean(), abs=1e-12
    )


@pytest.mark.parametrize("seed", range(20))
def test_recognition_against_numpy(seed):
    rng = np.random.default_rng(seed)
    images = np.array([f"t{number:02d}" for number in rng.permutation(60)])
    shown = rng.integers(0, 2, (60, 5)).astype(bool) & (rng.random((60, 1)) < 0.6)
    shown[0, 0] = True
    classes, confidence = rng.integers(0, 5, 60), rng.integers(0, 8, 60) / 8
    answered = rng.random(60) < 0.9
    order = np.lexsort((images, -confidence))
    right = shown[np.arange(60), classes][order][answered[order]]
    expected = (right.cumsum() / np.arange(1, len(right) + 1))[right].sum() / shown.any(1).sum()
    solution = {str(image): set(np.flatnonzero(row)) for image, row in zip(images, shown, strict=True)}
    predictions = {str(images[i]): (classes[i], float(confidence[i])) for i in np.flatnonzero(answered)}
    assert metrics.recognition_metrics(solution, predictions) == pytest.approx(
        {"gap": expected, "top1_accuracy": right.sum() / shown.any(1).sum()}, abs=1e-12
    )


def test_the_three_usual_mistakes_are_not_made():
    ranking = ["a", "x", "y", "z"]
    # Divided by the relevant images, not by those found; not by more of them than ranks; unanswered queries count.
    assert metrics.average_precision({"a", "b"}, ranking) == 0.5
    assert metrics.average_precision({"a", "b", "c"}, ranking, k=2) == 0.5
    assert metrics.mean_average_precision({"q": {"a"}, "unanswered": {"a"}}, {"q": ranking}) == 0.5


def test_equal_confidences_are_ordered_by_image_id():
    predictions = {"b": ("landmark", 0.5), "a": ("landmark", 0.5)}
    assert metrics.global_average_precision({"b": {"landmark"}, "a": {"other"}}, predictions) == 0.25
    assert metrics.global_average_precision({"b": {"other"}, "a": {"landmark"}}, predictions) == 0.5


@pytest.mark.parametrize("solution", [{}, {"q": set()}])
def test_nothing_to_score(solution):
    with pytest.raises(GlrError, match="no query of the solution has a relevant image, so there is nothing to score"):
        metrics.retrieval_metrics(solution, {"q": ["a"]})
    for metric in (metrics.global_average_precision, metrics.top1_accuracy, metrics.recognition_metrics):
        with pytest.raises(GlrError, match="no image of the solution shows a landmark, so there is nothing to score"):
            metric(solution, {"q": ("a", 0.5)})


def test_the_docstrings_examples():
    result = doctest.testmod(metrics)
    assert result.attempted >= 8
    assert result.failed == 0


def test_all_of_gldv2s_test_images_take_seconds():
    rng = random.Random(1)
    index = [f"{number:016x}" for number in range(20_000)]
    starts = {f"q{number}": rng.randrange(19_900) for number in range(11_757)}  # a tenth of them
    rankings = {query: index[start : start + 100] for query, start in starts.items()}
    solution = {query: frozenset(index[start + 3 : start + 33]) for query, start in starts.items()}
    began = time.process_time()
    assert metrics.retrieval_metrics(solution, rankings)["mean_position"] == 4
    assert time.process_time() - began < 3
