"""Estimates over queries and seeds, against formulas and against simulated truth."""

import numpy as np
import pytest
from scipy import stats

from glr.statistics.bootstrap import bootstrap, percentile_interval
from glr.statistics.estimators import Mean
from glr.statistics.replicates import Replicates


def test_values_and_spread_of_configurations():
    resampled = np.arange(12.0).reshape(3, 4)
    measured = Replicates([0.1, 0.3, 0.5, 0.9], resampled, [0, 0, 0, 1])
    assert measured.values == pytest.approx([0.3, 0.9])
    assert measured.seeds.tolist() == [3, 1]
    assert measured.spread[0] == pytest.approx(np.std([0.1, 0.3, 0.5], ddof=1))
    assert np.isnan(measured.spread[1])  # one run
    assert (measured.degrees, measured.seed_variance) == (2, pytest.approx(0.04))
    np.testing.assert_allclose(measured.resampled, [[1, 3], [5, 7], [9, 11]])


def test_seeds_alone_give_the_t_test_of_two_samples_with_pooled_variance():
    first, second = [0.50, 0.53, 0.49], [0.58, 0.61]
    runs = [*first, *second]
    difference = Replicates(runs, np.tile(runs, (5, 1)), [0, 0, 0, 1, 1]).estimate([-1, 1])  # queries do not vary
    theirs = stats.ttest_ind(second, first)
    assert difference.value == pytest.approx(np.mean(second) - np.mean(first))
    assert difference.p == pytest.approx(theirs.pvalue)
    assert (difference.low, difference.high) == pytest.approx(tuple(theirs.confidence_interval()))
    assert difference.degrees == pytest.approx(3)


def test_one_seed_speaks_of_the_queries_only():
    values = np.random.default_rng(1).random((2, 200))
    resampled = bootstrap([Mean(row) for row in values], 200, 500)
    difference = Replicates(values.mean(axis=1), resampled, [0, 1]).estimate([-1, 1])
    assert (difference.low, difference.high) == percentile_interval(resampled[:, 1] - resampled[:, 0])
    assert difference.p is difference.degrees is None


def test_queries_alone_give_the_paired_t_test():
    first, second = np.random.default_rng(2).random((2, 8))
    spread = np.array([-1, 1]) * np.std(second - first) / 8**0.5 / 2**0.5  # variance of a bootstrap: σ² / n
    runs = np.array([first.mean()] * 2 + [second.mean()] * 2)  # seeds do not vary
    resampled = runs + np.outer(spread, [0, 0, 1, 1])
    difference = Replicates(runs, resampled, [0, 0, 1, 1], queries=8).estimate([-1, 1])
    theirs = stats.ttest_rel(second, first)
    assert (difference.p, difference.degrees) == (pytest.approx(theirs.pvalue), pytest.approx(7))
    assert (difference.low, difference.high) == pytest.approx(tuple(theirs.confidence_interval()))


def test_one_query_says_nothing_of_others():
    alone = Replicates([0.5, 0.5, 0.7, 0.7], np.tile([0.5, 0.5, 0.7, 0.7], (9, 1)), [0, 0, 1, 1], queries=1)
    estimate = alone.estimate([-1, 1])
    assert estimate.value == pytest.approx(0.2)
    assert np.isnan([estimate.low, estimate.high]).all()
    assert estimate.p is None


def test_a_run_and_its_copy_differ_by_nothing():
    values = np.random.default_rng(1).random(100)
    resampled = bootstrap([Mean(values)] * 4, 100, 100)
    same = Replicates([values.mean()] * 4, resampled, [0, 0, 1, 1]).estimate([-1, 1])
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)


@pytest.mark.parametrize("ratio", [0.0, 1.0], ids=["equal seeds", "seeds vary as much as queries"])
def test_intervals_hold_the_truth_as_often_as_they_say(ratio: float):
    """Of 300 studies of 3 configurations x 2 seeds x 150 queries; `tests/benchmarks/coverage.py` has more of them."""
    random, queries = np.random.default_rng(7), 150
    held, refuted = [], []
    for seed in range(300):
        difficulty, preferred = random.normal(0, 1, (queries, 1, 1)), random.normal(0, 0.5, (queries, 3, 1))
        trained = random.normal(0, 0.5, (queries, 3, 2)) + random.normal(0, ratio / queries**0.5, (1, 3, 2))
        runs = (difficulty + preferred + trained).reshape(queries, 6).T  # no configuration is better
        measured = Replicates(
            runs.mean(axis=1), bootstrap([Mean(row) for row in runs], queries, 200, seed), [0, 0, 1, 1, 2, 2]
        )
        for weights in ([1, 0, 0], [-1, 1, 0], [0, -1, 1]):
            estimate = measured.estimate(weights)
            held.append(estimate.low <= 0 <= estimate.high)
            assert estimate.p is not None
            refuted.append(estimate.p < 0.05)
    assert 0.93 <= np.mean(held) <= 0.97
    assert np.mean(refuted) == pytest.approx(1 - np.mean(held), abs=0.003)


def test_the_probability_to_be_best():
    resampled = np.array([[0.1, 0.2, 0.0], [0.3, 0.2, 0.0], [0.3, 0.1, 0.0], [0.2, 0.2, 0.0], [np.nan, 1, 0]])
    measured = Replicates([0.2, 0.2, 0.0], resampled, [0, 1, 2])
    assert measured.probability_best() == pytest.approx([2.5 / 4, 1.5 / 4, 0])
    assert measured.probability_best(lowest=True) == pytest.approx([0, 0, 1])
    seeds = Replicates([0.5, 0.7, 0.9, 0.9], np.tile([0.5, 0.7, 0.9, 0.9], (40_000, 1)), [0, 0, 1, 1])
    # One minus two means of two runs each, variance 0.01 with 2 degrees of freedom: t = 0.3 / 0.1.
    assert seeds.probability_best()[1] == pytest.approx(stats.t.cdf(0.3 / 0.01**0.5, 2), abs=0.005)
    close = Replicates([0.5, 0.7, 0.5, 0.7], np.tile([0.5, 0.7, 0.5, 0.7], (4000, 1)), [0, 0, 1, 1])
    assert close.probability_best() == pytest.approx([0.5, 0.5], abs=0.03)  # the seeds' spread decides
