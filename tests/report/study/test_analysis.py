"""Scores, differences, effects and choices of simulated studies, against formulas of their own."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import t as student

from glr.statistics.estimators import GlobalAveragePrecision
from glr.statistics.randomization import exchange_test
from tests.report.study.simulated import AP, QUERIES, analysed, private, study, table


def test_scores_are_means_over_seeds_with_their_spread_and_intervals():
    runs, outcomes = study(["a", "low"], 3)
    whole = analysed(runs, outcomes)
    assert (whole.metric, whole.queries, whole.one_seed) == (AP, {"Public": 40, "Private": 80}, False)
    for row, head in zip(whole.rows, ("a", "low"), strict=True):
        of_seeds = [private(outcomes[f"{head}{seed}"]).mean() for seed in range(3)]
        score = row.scores[AP]
        assert score.value == pytest.approx(np.mean(of_seeds), abs=1e-12)
        assert score.sd == pytest.approx(np.std(of_seeds, ddof=1), abs=1e-12)
        assert 0 < (score.low or 0) < score.value < (score.high or 0)
        assert {"public/gap", "private/median_position", "public/map_at_100"} <= set(row.scores)


def test_a_difference_has_the_variance_of_queries_and_seeds():
    runs, outcomes = study(["a", "low"], 3)
    row = analysed(runs, outcomes, baseline="a").rows[1]
    a, low = (np.array([private(outcomes[f"{head}{seed}"]) for seed in range(3)]) for head in ("a", "low"))
    assert row.difference.value == pytest.approx(low.mean() - a.mean(), abs=1e-12)
    better = low.mean(axis=0) - a.mean(axis=0)
    assert (row.difference.wins, row.difference.losses) == ((better > 0).sum(), (better < 0).sum())
    # Formula: queries' variance of the paired mean, minus the seeds' share in it, plus the seeds' variance.
    squares = [((each.mean(axis=1) - each.mean()) ** 2).sum() for each in (a, low)]
    of_seeds = sum(squares) / 4
    number, centred = a.shape[1], better - better.mean()
    in_both = (
        sum(((x - x.mean(axis=0) - (x.mean(axis=1) - x.mean())[:, None]) ** 2).sum() for x in (a, low)) / 4 / number**2
    )
    variance = (centred**2).sum() / number**2 - in_both * 2 / 3 + of_seeds * 2 / 3
    degrees = variance**2 / ((of_seeds * 2 / 3) ** 2 / 4)
    assert row.difference.high - row.difference.value == pytest.approx(
        student.ppf(0.975, degrees) * variance**0.5, rel=0.05
    )
    t = abs(row.difference.value) / variance**0.5
    assert student.isf((row.difference.p or 0) / 2, degrees) == pytest.approx(t, rel=0.05)


def test_two_copies_of_a_run_do_not_differ():
    runs, outcomes = study(["a", "b"], 1)
    outcomes["b0"] = outcomes["a0"]
    for metric in (AP, "gap"):
        difference = analysed(runs, outcomes, baseline="1", metric=metric).rows[1].difference
        assert (difference.value, difference.low, difference.high) == (0, 0, 0)
        assert (difference.p, difference.p_holm, difference.wins, difference.losses) == (1, 1, 0, 0)


def test_with_one_seed_the_trained_models_are_tested_and_adjusted():
    runs, outcomes = study(["a", "b", "low"], 1)
    outcomes["low0"] = table(np.minimum(outcomes["a0"]["ap"].to_numpy(), 0.3))
    whole = analysed(runs, outcomes, baseline="a")
    assert whole.one_seed
    assert all(row.scores[AP].sd is None for row in whole.rows)
    ps = [row.difference.p or 0 for row in whole.rows[1:]]
    assert 0 not in ps
    assert ps[1] < 0.001 < 0.05 < ps[0]
    assert [row.difference.p_holm for row in whole.rows[1:]] == pytest.approx([ps[0], 2 * ps[1]])
    shares = [row.probability_best or 0 for row in whole.rows]
    assert (sum(shares), shares[2]) == (pytest.approx(1), 0)


def test_a_difference_in_gap_is_tested_by_exchange_on_the_queries_of_recognition():
    runs, outcomes = study(["a", "b"], 1)
    some = outcomes["a0"].slice(0, QUERIES - 20)  # the last 20 queries have a retrieval solution only
    rest = outcomes["a0"].slice(QUERIES - 20)
    for name in ("class", "confidence", "right", "shown"):
        place = rest.schema.get_field_index(name)
        rest = rest.set_column(place, rest.schema.field(place), pa.nulls(20, rest.schema.field(place).type))
    outcomes["a0"] = pa.concat_tables([some, rest])
    outcomes["b0"] = pa.concat_tables([outcomes["b0"].slice(0, QUERIES - 20), rest])
    parts = [outcomes[name].slice(QUERIES // 3, QUERIES - QUERIES // 3 - 20) for name in ("a0", "b0")]
    confidences, rights = (tuple(part[name].to_numpy() for part in parts) for name in ("confidence", "right"))
    expected = exchange_test(np.array(parts[0]["id"].to_pylist()), confidences, rights, parts[0]["shown"].to_numpy())
    difference = analysed(runs, outcomes, baseline="1", metric="gap").rows[1].difference
    assert difference.p == expected
    gaps = [
        GlobalAveragePrecision(range(60), c, r, parts[0]["shown"].to_numpy())
        for c, r in zip(confidences, rights, strict=True)
    ]
    value = [float(gap(np.ones((1, 60), np.uint8))[0]) for gap in gaps]
    assert difference.value == pytest.approx(value[1] - value[0], abs=1e-12)


def test_the_best_trained_configuration_is_the_baseline_and_an_ensemble_is_compared_with_it():
    runs, outcomes = study(["a", "low", "joint"], 1, kinds={"joint": "ensemble"})
    outcomes["joint0"] = table(np.minimum(outcomes["a0"]["ap"].to_numpy() + 0.05, 1))
    whole = analysed(runs, outcomes)
    assert whole.rows[whole.baseline].configuration.settings == {"head": "a"}
    assert whole.rows[whole.baseline].difference is None
    joint = whole.rows[2]
    gain = np.minimum(private(outcomes["a0"]) + 0.05, 1) - private(outcomes["a0"])
    assert joint.difference.value == pytest.approx(gain.mean())
    assert joint.difference.low < gain.mean() < joint.difference.high
    assert joint.difference.p == pytest.approx(1 / 10_001)  # no draw differs as much
    assert joint.probability_best is None
    assert [effect.values for effect in whole.effects] == [("a", "low")]


def test_an_ensemble_and_several_seeds_have_an_interval_but_no_test():
    runs, outcomes = study(["a", "joint"], 2, kinds={"joint": "ensemble"})
    whole = analysed(runs, outcomes)
    assert [(row.difference.p, row.difference.p_holm) for row in whole.rows[1:]] == [(None, None)] * 2
    assert whole.rows[1].difference.low < whole.rows[1].difference.value < whole.rows[1].difference.high


def test_choosing_by_public_and_what_it_costs_on_private():
    runs, outcomes = study(["a", "b"], 1)
    for name, part in (("a0", (0.9, 0.2)), ("b0", (0.1, 0.6))):
        outcomes[name] = table(np.repeat(part, [QUERIES // 3, QUERIES - QUERIES // 3]))
    choice = analysed(runs, outcomes).choice
    assert (choice.best, choice.private_rank, choice.private_loss) == (0, 2, pytest.approx(0.4))


def test_positions_are_better_when_low():
    runs, outcomes = study(["a", "b"], 1)
    ranks = outcomes["b0"].schema.get_field_index("first_rank")
    outcomes["b0"] = outcomes["b0"].set_column(ranks, "first_rank", pa.array([3] * QUERIES, pa.int32()))
    whole = analysed(runs, outcomes, metric="mean_position")
    assert (whole.baseline, whole.rows[1].difference.value, whole.rows[0].probability_best) == (0, 2, 1)


def test_effects_are_those_of_each_setting_over_pairs():
    runs, outcomes = study(["a", "b", "c", "d"], 1)
    for run, (head, rate) in zip(runs, [("x", "1"), ("x", "2"), ("y", "1"), ("y", "2")], strict=True):
        run.params.update(head=head, rate=rate)
        run.tags["overrides"] = f"head={head} rate={rate}"
    whole = analysed(runs, outcomes)
    means = [private(outcomes[f"{name}0"]).mean() for name in "abcd"]
    effects = {
        (effect.setting, effect.given): effect.estimate.value for effect in [*whole.effects, *whole.interactions]
    }
    assert effects["head", None] == pytest.approx((means[2] - means[0] + means[3] - means[1]) / 2)
    assert effects["rate", None] == pytest.approx((means[1] - means[0] + means[3] - means[2]) / 2)
    assert effects["rate", ("head", "y")] == pytest.approx(means[3] - means[2])


def test_a_searched_range_has_a_line_in_place_of_its_effects():
    runs, outcomes = study([f"h{number}" for number in range(13)], 1)
    whole = analysed(runs, outcomes)
    assert (whole.effects, whole.interactions) == ([], [])
    assert whole.notes == ["No effects of head: 13 values, and a setting of more than 12 is a searched range"]
    assert sum(row.difference is not None for row in whole.rows) == 12


def test_a_baseline_that_is_chosen_as_the_best_counts_all_pairs():
    runs, outcomes = study(["a", "b", "low"], 3)
    whole = analysed(runs, outcomes)
    named = analysed(runs, outcomes, baseline=whole.rows[whole.baseline or 0].configuration.name)
    assert (whole.comparisons, named.comparisons) == (3, 2)
    ps = sorted(row.difference.p or 0 for row in whole.rows if row.difference)
    for analysis, factors in ((whole, (3, 2)), (named, (2, 1))):
        adjusted = sorted(row.difference.p_holm or 0 for row in analysis.rows if row.difference)
        first = min(1, ps[0] * factors[0])
        assert adjusted == pytest.approx([first, max(first, min(1, ps[1] * factors[1]))])
