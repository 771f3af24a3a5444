"""Resamples, and intervals against SciPy's."""

import numpy as np
import pytest
from scipy import stats

from glr.statistics import bootstrap as module
from glr.statistics.bootstrap import bootstrap, percentile_interval, resamples
from glr.statistics.estimators import Mean


def test_every_resample_draws_as_many_queries_as_there_are_in_chunks_of_any_size(monkeypatch: pytest.MonkeyPatch):
    whole = np.concatenate(list(resamples(30, 100, seed=5)))
    monkeypatch.setattr(module, "_CHUNK", 7 * 30)
    chunks = list(resamples(30, 100, seed=5))
    assert [len(chunk) for chunk in chunks] == [7] * 14 + [2]
    np.testing.assert_array_equal(np.concatenate(chunks), whole)
    assert (whole.sum(axis=1) == 30).all()
    assert whole.mean(axis=0) == pytest.approx(np.ones(30), abs=0.4)


def test_intervals_are_scipys_but_for_the_draw():
    values = np.random.default_rng(0).random((2, 300)) ** 3
    resampled = bootstrap([Mean(row) for row in values], 300, 20_000)
    assert resampled.shape == (20_000, 2)
    for row, column in zip(values, resampled.T, strict=True):
        theirs = stats.bootstrap((row,), np.mean, method="percentile", n_resamples=20_000, rng=1)
        assert percentile_interval(column) == pytest.approx(tuple(theirs.confidence_interval), abs=1e-3)
        assert column.std() == pytest.approx(theirs.standard_error, rel=0.03)


def test_few_queries_expand_an_interval_to_students():
    normal = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    expanded = stats.t.ppf(0.975, 9) * (10 / 9) ** 0.5
    assert percentile_interval(normal, 0.95, 10) == pytest.approx((-expanded, expanded), rel=1e-3)
    assert percentile_interval(normal) == pytest.approx((-1.96, 1.96), rel=1e-3)


def test_runs_share_resamples_so_that_a_constant_advantage_has_no_spread():
    values = np.random.default_rng(0).random(50)
    first, second = bootstrap([Mean(values), Mean(values + 0.125)], 50, 200).T
    np.testing.assert_allclose(second - first, 0.125, rtol=1e-12)
