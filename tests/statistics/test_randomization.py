"""Randomisation tests against SciPy's and under the null hypothesis."""

import numpy as np
import pytest
from scipy import stats

from glr.retrieval.metrics import global_average_precision
from glr.statistics.randomization import exchange_test, holm, sign_flip_test


@pytest.mark.parametrize("queries", [8, 12, 60])
def test_sign_flips_are_scipys(queries: int):
    differences = np.random.default_rng(queries).normal(0.4, 1, queries)
    theirs = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=20_000 if queries > 12 else np.inf, rng=1
    )
    ours = sign_flip_test(np.append(differences, [0.0, np.nan]), 20_000)
    assert ours == pytest.approx(theirs.pvalue, abs=0.01 if queries > 12 else 1e-12)


@pytest.mark.parametrize("copies", [1, 6], ids=["all signs", "drawn signs"])
def test_sums_that_are_equal_but_for_rounding_count_as_equal(copies: int):
    """Tenths, as of mP@10, that cancel out: 0.4 - 0.3 - ... + 0.1 is 1.4e-16 in floating point."""
    tenths = np.tile([4, -3, -3, -4, -4, 3, -2, 3, 1, 4, 1], copies)
    assert sign_flip_test(tenths) == sign_flip_test(tenths / 10) == 1


def gap(ids, confidence, right, shown) -> float:
    predictions = {name: (hit, value) for name, hit, value in zip(ids, right, confidence, strict=True)}
    return global_average_precision(
        {name: {True} if s else set() for name, s in zip(ids, shown, strict=True)}, predictions
    )


def test_exchanges_of_outcomes_are_scipys_permutations_of_pairs():
    random = np.random.default_rng(4)
    ids = [f"q{number}" for number in range(8)]
    confidences, rights = random.integers(0, 5, (2, 8)) / 5, random.random((2, 8)) < 0.5
    shown = rights.any(axis=0)

    def difference(first, second) -> float:  # of numbers 0 .. 15 of outcomes
        both = (gap(ids, confidences.ravel()[own], rights.ravel()[own], shown) for own in (first, second))
        return next(both) - next(both)

    pairs = np.arange(16).reshape(2, 8)
    theirs = stats.permutation_test(
        pairs, difference, permutation_type="samples", vectorized=False, n_resamples=np.inf
    )  # all 256
    p = exchange_test(ids, tuple(confidences), tuple(rights), shown, number=20_000)
    assert p == pytest.approx(theirs.pvalue, abs=0.012)


def test_two_copies_of_a_run_do_not_differ():
    assert sign_flip_test(np.zeros(100)) == 1
    ids, confidence, right = np.arange(50), np.random.default_rng(0).random(50), np.arange(50) % 2 == 0
    assert exchange_test(ids, (confidence, confidence), (right, right), right, number=50) == 1
    nothing = np.zeros(50, bool)
    assert exchange_test(ids, (confidence, confidence[::-1]), (nothing, nothing), right, number=50) == 1


def test_p_values_are_uniform_where_there_is_no_difference():
    random = np.random.default_rng(6)
    means, gaps = [], []
    for seed in range(150):
        means.append(sign_flip_test(random.normal(size=40), 400, seed))
        confidences, shown = random.random((2, 40)), random.random(40) < 0.5
        rights = (random.random((2, 40)) < 0.5) & shown
        gaps.append(exchange_test(np.arange(40), tuple(confidences), tuple(rights), shown, 200, seed))
    for values in (means, gaps):
        assert stats.kstest(values, "uniform").pvalue > 0.01


def test_holm_multiplies_the_smallest_by_the_number_of_comparisons_and_keeps_the_order():
    # Worked by hand: 0.01 * 4, max(0.04, 0.02 * 3), max(0.06, 0.03 * 2), max(0.06, 0.04 * 1)
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.7]) == pytest.approx([1, 1])
    assert holm([0.04, 0.01], comparisons=6) == pytest.approx([0.2, 0.06])
