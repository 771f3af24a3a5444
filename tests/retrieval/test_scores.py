"""Scores as they are printed."""

import pytest

from glr.retrieval.scores import headlines, table

SCORES = {"public/gap": 0.5, "public/map_at_100": 0.25, "private/gap": 1 / 3, "private/map_at_100": 1.0}


def test_one_state():
    more = {"validation/accuracy": 0.9, "loss": 3.0}
    assert table({"": SCORES | more}).split("\n") == [
        "",
        "                        Public     Private",
        "gap                     0.5000      0.3333",
        "map_at_100              0.2500      1.0000",
    ]


def test_states_beside_each_other_without_what_only_the_last_lacks():
    before = dict.fromkeys(SCORES, 0.0) | {"easy/map": 1.0}
    assert table({"untrained": before, "trained": SCORES}).split("\n")[1:4] == [
        "                        Public      Public     Private     Private",
        "                     untrained     trained   untrained     trained",
        "gap                     0.0000      0.5000      0.0000      0.3333",
    ]


def test_an_undivided_set_has_one_column_and_a_lacking_metric_is_blank():
    assert table({"": {"gap": 0.5, "validation/accuracy": 0.9}}).split("\n") == [
        "",
        "                         Score",
        "gap                     0.5000",
    ]
    assert table({"": {"public/gap": 0.5, "private/map_at_100": 0.25}}).split("\n")[1:] == [
        "                        Public     Private",
        "gap                     0.5000            ",
        "map_at_100                          0.2500",
    ]


@pytest.mark.parametrize(
    "names",
    [
        ["public/map_at_100", "private/map_at_100", "public/gap", "private/gap"],
        ["map_at_100", "gap"],  # of queries without a usage
        ["private/gap"],
        ["medium/map", "hard/map", "easy/map"],
    ],
)
def test_every_task_has_headlines_and_the_first_is_its_score(names: list[str]):
    others = {"map_at_10": 0.0, "recall_at_1": 0.0, "public/mean_position": 3.0, "easy/mp_at_5": 0.0}
    assert list(headlines(others | dict.fromkeys(reversed(names), 0.5))) == names
