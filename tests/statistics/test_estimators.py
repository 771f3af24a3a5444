"""Metrics of counted queries against the same metrics of copied queries."""

import numpy as np
import pytest

from glr.retrieval.metrics import global_average_precision
from glr.statistics.estimators import GlobalAveragePrecision, Mean, Median

N = 40


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    random = np.random.default_rng(1)
    drawn = [np.bincount(random.integers(0, N, N), minlength=N) for _ in range(50)]
    return np.array([np.ones(N), *drawn], np.uint8)


def test_a_mean_and_a_median_leave_out_what_they_do_not_measure(counts: np.ndarray):
    values = np.where(np.arange(N) % 3 == 0, np.nan, np.random.default_rng(2).integers(1, 9, N))
    copies = [np.repeat(values, row) for row in counts]
    np.testing.assert_allclose(Mean(values)(counts), [np.nanmean(each) for each in copies], rtol=1e-12)
    np.testing.assert_array_equal(Median(values)(counts), [np.nanmedian(each) for each in copies])
    nothing = np.zeros((1, N), np.uint8)
    assert np.isnan([Mean(values)(nothing), Median(values)(nothing)]).all()


def test_gap_of_counted_queries_is_gap_of_copies_with_equal_confidences_too(counts: np.ndarray):
    random = np.random.default_rng(3)
    ids = np.array([f"q{number:02d}" for number in random.permutation(N)])
    confidence, right = random.integers(0, 6, N) / 6, random.random(N) < 0.4
    shown = right | (random.random(N) < 0.3)
    values = GlobalAveragePrecision(ids, confidence, right, shown)(counts)
    for row, value in zip(counts, values, strict=True):
        copies = [(f"{ids[query]}-{copy}", query) for query in range(N) for copy in range(row[query])]
        solution = {name: {"right"} if shown[query] else set() for name, query in copies}
        predictions = {name: ("right" if right[query] else "wrong", confidence[query]) for name, query in copies}
        assert value == pytest.approx(global_average_precision(solution, predictions), abs=1e-12)


def test_gap_leaves_out_queries_without_a_confidence(counts: np.ndarray):
    random = np.random.default_rng(4)
    left, confidence, right = np.arange(N) % 3 == 0, random.random(N), random.random(N) < 0.5
    values = GlobalAveragePrecision(np.arange(N), np.where(left, np.nan, confidence), right, np.ones(N))(counts)
    for row, value in zip(counts, values, strict=True):
        copies = [(f"{query:02d}-{copy}", query) for query in np.flatnonzero(~left) for copy in range(row[query])]
        predictions = {name: (str(right[query]), confidence[query]) for name, query in copies}
        expected = global_average_precision({name: {"True"} for name in predictions}, predictions)
        assert value == pytest.approx(expected, abs=1e-12)


def test_an_estimator_counts_the_queries_that_it_measures():
    shown = [True, False, True, False]
    gap = GlobalAveragePrecision(range(4), [4, 3, 2, 1], [True, False, False, False], shown)
    assert [each.queries for each in (gap, Mean([1, np.nan, 2]), Median([np.nan, 3]))] == [2, 2, 1]


def test_gap_without_a_right_query_is_zero_and_without_a_landmark_unknown():
    ones = np.ones((1, 3), np.uint8)
    assert GlobalAveragePrecision(["a", "b", "c"], [3, 2, 1], [False] * 3, [True, False, False])(ones) == 0
    assert np.isnan(GlobalAveragePrecision(["a", "b", "c"], [3, 2, 1], [False] * 3, [False] * 3)(ones))
