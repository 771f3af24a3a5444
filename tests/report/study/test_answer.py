"""When the answer calls a configuration better, and what it says otherwise."""

from dataclasses import replace

import pytest

from glr.report.study.analysis import MeanScore
from glr.report.study.answer import answer
from tests.report.study.conftest import analysis, difference, row


def test_a_difference_that_is_shown_with_several_seeds_makes_the_best_better():
    rows = row("arcface", 0.52), row("adacos_semi", 0.5, difference=difference(-0.021)), row("cosface", 0.4)
    assert answer(analysis(*rows)) == (
        "ArcFace is better than AdaCos(Semi) by 0.021 Private mAP@100 [0.013, 0.029], 2 seeds each."
    )


def test_the_adjusted_p_value_decides():
    rows = row("arcface", 0.52), row("adacos_semi", 0.5, difference=difference(-0.003, 0.013, p=0.05))
    assert answer(analysis(*rows)) == (
        "No configuration is shown to be the best: ArcFace leads AdaCos(Semi) by 0.003 Private mAP@100 "
        "[-0.010, 0.016], 2 seeds each."
    )


def test_what_the_best_is_better_than_is_said_where_the_runner_up_is_close():
    close, far = row("cosface", 0.5, difference=difference(-0.003, 0.013, p=0.5)), difference(-0.1)
    rows = row("arcface", 0.52), close, row("adacos_semi", 0.4, difference=far), row("a", 0.3, difference=far)
    assert answer(analysis(*rows)).endswith("2 seeds each. It is better than AdaCos(Semi) and head=a.")
    many = [row(f"h{number}", 0.3, difference=far) for number in range(4)]
    assert answer(analysis(*rows[:2], *many)).endswith("2 seeds each. It is better than 4 others.")
    alone = row("adacos_semi", 0.4, seeds=1, difference=far)
    assert answer(analysis(*rows[:2], alone)).endswith("2 seeds each.")


@pytest.mark.parametrize(
    ("seeds", "one_seed", "sentence"),
    [
        ((1, 1), True, " on these queries; one seed each, so this speaks of these trained models only."),
        ((3, 1), False, ", 3 seeds and one seed; one seed does not show that a configuration is better."),
    ],
)
def test_one_seed_makes_nothing_better(seeds: tuple[int, int], one_seed: bool, sentence: str):
    rows = row("arcface", 0.52, seeds=seeds[0]), row("cosface", 0.5, seeds=seeds[1], difference=difference(-0.021))
    text = answer(analysis(*rows, one_seed=one_seed))
    leads = "No configuration is shown to be the best: ArcFace leads CosFace by 0.021 Private mAP@100 [0.013, 0.029]"
    assert text == leads + sentence


def test_the_best_is_compared_with_a_chosen_baseline():
    rows = (
        row("cosface", 0.5, difference=difference(0.01)),
        row("arcface", 0.52, difference=difference(0.03)),
        row("a", 0.49),
    )
    assert answer(analysis(*rows, baseline=2)).startswith(
        "ArcFace is better than head=a by 0.030 Private mAP@100 [0.022, 0.038]"
    )


def test_of_positions_the_lowest_is_the_best():
    metric = "private/median_position"
    rows = [
        replace(made, scores={metric: MeanScore(value)}, difference=each)
        for made, value, each in (
            (row("arcface", 0), 3.0, None),
            (row("cosface", 0), 5.0, difference(2.0, 1.0)),
        )
    ]
    assert answer(analysis(*rows, metric=metric)) == (
        "ArcFace is better than CosFace by 2.0 Private median position [1.0, 3.0], 2 seeds each."
    )


def test_two_equal_runs():
    rows = row("arcface", 0.5, seeds=1), row("cosface", 0.5, seeds=1, difference=difference(0.0, 0.0, p=1.0))
    assert "ArcFace equals CosFace by 0.000" not in answer(analysis(*rows))
    assert "the difference of ArcFace from CosFace is 0.000 Private mAP@100 [0.000, 0.000]" in answer(analysis(*rows))


def test_without_outcomes_nothing_is_sure():
    assert answer(analysis(row("arcface", 0.52), row("cosface", 0.5), baseline=None)) == (
        "No configuration is shown to be the best: ArcFace has Private mAP@100 0.520 and CosFace 0.500, without the "
        "outcomes of queries that an interval needs."
    )


def test_one_configuration_and_none():
    assert answer(analysis(row("arcface", 0.52))) == (
        "ArcFace has Private mAP@100 0.520 [0.500, 0.540], 2 seeds; there is no other configuration to compare it with."
    )
    assert (
        answer(analysis(replace(row("arcface", 0.5), scores={})))
        == "No configuration of heads has a Private mAP@100 yet."
    )
