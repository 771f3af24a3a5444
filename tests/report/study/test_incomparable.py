"""Runs, scores and queries of simulated studies that cannot be compared, or count once only."""

from dataclasses import replace

import numpy as np
import pytest

from glr.errors import GlrError
from tests.report.study.simulated import AP, QUERIES, analysed, study


def test_runs_without_outcomes_have_means_and_are_not_compared():
    runs, outcomes = study(["a", "low"], 2)
    whole = analysed(runs, {}, metric="public/map_at_100")
    score = whole.rows[0].scores["public/map_at_100"]
    values = [run.metrics["public/map_at_100"] for run in runs[:2]]
    assert (score.value, score.low, score.sd) == (
        pytest.approx(np.mean(values)),
        None,
        pytest.approx(np.std(values, ddof=1)),
    )
    assert [row.difference for row in whole.rows] == [None, None]
    assert (whole.effects, whole.choice, whole.queries) == ((), None, {})
    assert "loss" not in whole.rows[0].scores
    del outcomes["low0"], outcomes["low1"]
    assert [row.difference for row in analysed(runs, outcomes).rows] == [None, None]


def test_one_query_has_no_interval():
    runs, outcomes = study(["a", "b"], 2)
    outcomes = {name: table.slice(QUERIES // 3 - 1, 3) for name, table in outcomes.items()}
    whole = analysed(runs, outcomes, metric="public/map_at_100")
    assert whole.queries == {}
    assert [(row.scores["public/map_at_100"].low, row.difference) for row in whole.rows] == [(None, None)] * 2
    assert whole.rows[0].scores[AP].low is not None


def test_other_queries_are_not_compared():
    runs, outcomes = study(["a", "b", "c"], 1)
    outcomes["c0"] = outcomes["c0"].slice(1)
    whole = analysed(runs, outcomes)
    assert [row.difference is not None for row in whole.rows].count(True) == 1
    assert whole.rows[2].difference is None
    assert whole.rows[2].scores[AP].low is not None
    assert whole.baseline in (0, 1)


def test_an_unknown_metric_names_the_known_ones():
    runs, outcomes = study(["a"], 1)
    with pytest.raises(
        GlrError, match=r"compare\.metric=nope: no run has this metric; they have private/map_at_100, .*private/gap"
    ):
        analysed(runs, outcomes, metric="nope")
    with pytest.raises(GlrError, match=r"compare\.baseline=zz: no row"):
        analysed(runs, outcomes, baseline="zz")


def test_a_configuration_with_outcomes_of_only_some_seeds_has_its_mean_and_no_interval():
    runs, outcomes = study(["a", "b", "low"], 3)
    del outcomes["a1"], outcomes["a2"]
    whole = analysed(runs, outcomes)
    part, other, low = whole.rows  # low happens to be better than b
    score = part.scores[AP]
    logged = [run.metrics[AP] for run in runs[:3]]
    assert (score.low, part.difference, part.probability_best) == (None, None, None)
    assert score.value == pytest.approx(np.mean(logged), abs=1e-12)
    assert score.sd == pytest.approx(np.std(logged, ddof=1), abs=1e-12)
    assert (whole.baseline, low.difference, other.difference is None) == (2, None, False)
    assert whole.notes == ["No interval where only some seeds have outcomes of the same queries: a"]


def test_a_score_that_is_not_a_number_is_left_out():
    runs, _ = study(["a"], 2)
    runs[0].metrics[AP] = float("nan")
    assert analysed(runs, {}).rows[0].scores[AP].value == runs[1].metrics[AP]


def test_without_any_score_nothing_is_compared():
    runs, _ = study(["a", "b"], 1)
    for run in runs:
        run.metrics.clear()
    whole = analysed(runs, {})
    assert [(row.scores, row.difference) for row in whole.rows] == [({}, None)] * 2
    with pytest.raises(GlrError, match=r"compare\.metric=gap: no run has this metric; they have none"):
        analysed(runs, {}, metric="gap")


def test_a_run_that_is_repeated_makes_nothing_surer():
    runs, outcomes = study(["a", "low"], 1)
    again = [replace(run, id=f"{run.id} again", started=9) for run in runs]
    twice = analysed([*runs, *again], outcomes | {run.id: outcomes[run.name] for run in again})
    once = analysed(runs, outcomes)
    assert twice.one_seed
    assert [row.difference for row in twice.rows] == [row.difference for row in once.rows]
    assert twice.notes == ["A seed that ran several times counts once, by its newest run: a; low"]
