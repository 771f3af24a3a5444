"""The tables of configurations: what a reader sees of an analysis."""

from dataclasses import replace

from glr.compare.configurations import ordered, shown, tables, text
from glr.report.study.analysis import Analysis, Difference, MeanScore, Row
from glr.report.study.configurations import Configuration
from glr.statistics.effects import Effect
from glr.statistics.replicates import Estimate
from glr.tracking.history import PastRun

METRIC = "private/gap"


def configuration(
    index: int, settings: dict[str, str], seeds: int = 2, failed: int = 0, kind: str = "train"
) -> Configuration:
    statuses = ["FINISHED"] * seeds + ["FAILED"] * failed
    params = {"head": "x", "head.margin": "1"}
    runs = [PastRun(f"{index}{n}", "run", "s", status, n, params, {}, {}, "") for n, status in enumerate(statuses)]
    return Configuration(f"key{index}", kind, index, settings, settings, tuple(runs))


def analysis(*rows: Row, baseline: int | None = 0) -> Analysis:
    effect = Effect("head", ("a", "b"), Estimate(0.01, -0.02, 0.04), 3)
    queries, common = {"Private": 1200, "Public": 1}, {"Backbone": "SmallCNN", "Epochs": "8"}
    return Analysis("s", METRIC, rows, common, baseline, queries, [effect], [], None, ["A note | of [it](x)."], False)


BEST = Row(
    configuration(1, {"head": "a"}),
    {METRIC: MeanScore(0.5, 0.45, 0.55, 0.01), "public/gap": MeanScore(0.4), "loss": MeanScore(1)},
    None,
    0.9,
)
OTHER = Row(
    configuration(2, {"head": "b|c"}, failed=1),
    {METRIC: MeanScore(0.48, 0.4, 0.5, 0.02), "leaderboard/public": MeanScore(0.3)},
    Difference(-0.02, -0.03, 0.01, 0.0123, 0.0246, 30, 41),
    0.1,
)


def test_values_with_intervals_seeds_and_differences():
    lines = text(analysis(BEST, OTHER), [BEST, OTHER], decimals=3).splitlines()
    assert lines[0].startswith("a is better than b|c by 0.020 Private GAP [-0.010, 0.030]".replace("|", "\\|"))
    assert lines[2:8:2] == [
        "All: Backbone SmallCNN, Epochs 8.",
        "1 Public query, 1,200 Private queries.",
        "A note \\| of \\[it\\](x).",
    ]
    assert lines[8:14] == [
        "### Single models",
        "",
        "|#|Head|Seeds|Public GAP|Private GAP|Leaderboard public|Difference|p (Holm)|Won/lost|P(best)|",
        "|-----|-----|:--------:|:--------:|:--------:|:--------:|:--------:|:--------:|:--------:|:--------:|",
        "|1|a|2|0.400|0.500 [0.450, 0.550] ± 0.010||baseline|||90%|",
        "|2|b\\|c|2 (1 failed)||0.480 [0.400, 0.500] ± 0.020|0.300|-0.020 [-0.030, 0.010]|0.025|30/41|10%|",
    ]
    assert lines[-1] == "|head|a|b|+0.010 [-0.020, 0.040]|3|"


def test_of_many_effects_the_first_are_printed():
    effects = [Effect("rate", ("0", f"{number}"), Estimate(0.01, -0.02, 0.04), 1) for number in range(1, 1201)]
    lines = text(replace(analysis(BEST, OTHER), effects=effects), [BEST, OTHER], decimals=3).splitlines()
    assert "### Effects of settings: the first 30 of 1,200" in lines
    assert lines[-1] == "|rate|0|30|+0.010 [-0.020, 0.040]|1|"


def test_scores_without_decimals():
    lines = text(analysis(BEST, OTHER), [BEST, OTHER], decimals=0).splitlines()
    assert lines[12].startswith("|1|a|2|0|0 [0, 1] ± 0|")  # 0.4, 0.5 [0.45, 0.55]


def test_kinds_have_tables_of_their_own_and_nothing_is_compared_without_a_baseline():
    joint = Row(configuration(1, {"members": "a + b", "weights": "1 + 1"}, kind="ensemble"), {METRIC: MeanScore(0.6)})
    alone = Row(configuration(1, {}, seeds=1), {METRIC: MeanScore(0.5)})
    made = tables(analysis(joint, alone, baseline=None), [joint, alone], decimals=2)
    assert [(table.title, table.columns) for table in made] == [
        ("Single models", ("#", "Seeds", "Private GAP")),
        ("Ensembles", ("#", "Members", "Weights", "Seeds", "Private GAP")),
        ("Effects of settings", ("Setting", "From", "To", "Private GAP", "Pairs")),
    ]


def test_only_one_metric_is_shown_and_rows_are_in_order_of_it():
    lost = Row(configuration(3, {"head": "c"}, seeds=0, failed=1), {})
    whole = analysis(OTHER, lost, BEST, baseline=2)
    assert shown(whole)[:2] == ["public/gap", "private/gap"]
    assert ordered(whole) == [BEST, OTHER, lost]
