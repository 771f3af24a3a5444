"""Scores, differences, effects and choices of simulated studies, against formulas of their own."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import t as student

from glr.errors import GlrError
from glr.report.study.analysis import Analysis, analyse
from glr.report.study.configurations import configurations
from glr.retrieval.outcomes import outcome_table
from glr.statistics.estimators import GlobalAveragePrecision
from glr.statistics.randomization import exchange_test
from glr.tracking.history import PastRun

QUERIES = 120
AP = "private/map_at_100"


def study(
    heads: Sequence[str], seeds: int, *, kinds: dict[str, str] | None = None
) -> tuple[list[PastRun], dict[str, pa.Table]]:
    """Runs of heads and seeds whose average precisions are random, a third of the queries Public."""
    random = np.random.default_rng(len(heads) * 10 + seeds)
    runs, outcomes = [], {}
    difficulty = random.random(QUERIES)
    for head in heads:
        preference = random.random(QUERIES) / 2
        for seed in range(seeds):
            precisions = (difficulty + preference + random.random(QUERIES) / 4) / (1.8 if head == "low" else 1.75)
            name, kind = f"{head}{seed}", (kinds or {}).get(head, "train")
            tags = {"kind": kind, "overrides": f"head={head} seed={seed}"} | (
                {"configuration": head} if kind == "train" else {}
            )
            params = {
                "head": head,
                "head.margin": "1",
                "seed": str(seed),
                "names": f'["{head}"]',
                "evaluate.score": "map_at_100",
            }
            metrics = {
                AP: float(precisions[QUERIES // 3 :].mean()),
                "public/map_at_100": float(precisions[: QUERIES // 3].mean()),
            }
            runs.append(PastRun(name, name, "s", "FINISHED", len(runs), params, metrics | {"loss": 1.0}, tags, "x"))
            outcomes[name] = table(precisions)
    return runs, outcomes


def table(precisions: np.ndarray) -> pa.Table:
    number = len(precisions)
    usage = ["Public"] * (number // 3) + ["Private"] * (number - number // 3)
    ids = [f"q{row}" for row in range(number)]
    right, shown = precisions > 0.5, np.arange(number) % 4 > 0
    return outcome_table(
        {"id": ids, "usage": usage, "relevant": [2] * number, "ap": precisions, "p_at_10": precisions}
        | {
            "first_rank": [1] * number,
            "class": ["c"] * number,
            "confidence": precisions,
            "right": right & shown,
            "shown": shown,
        }
    )


def analysed(runs: Sequence[PastRun], outcomes: dict[str, pa.Table], **options: object) -> Analysis:
    by_seed = bool(options.pop("by_seed", True))
    return analyse("s", configurations(runs, by_seed=by_seed), outcomes, resamples=600, **options)  # type: ignore[arg-type]


def private(table: pa.Table) -> np.ndarray:
    return table["ap"].to_numpy()[QUERIES // 3 :]


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


def test_a_run_that_is_repeated_makes_nothing_surer():
    runs, outcomes = study(["a", "low"], 1)
    again = [replace(run, id=f"{run.id} again", started=9) for run in runs]
    twice = analysed([*runs, *again], outcomes | {run.id: outcomes[run.name] for run in again})
    once = analysed(runs, outcomes)
    assert twice.one_seed
    assert [row.difference for row in twice.rows] == [row.difference for row in once.rows]
    assert twice.notes == ["A seed that ran several times counts once, by its newest run: a; low"]
