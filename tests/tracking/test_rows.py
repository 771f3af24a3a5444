"""Rows hold what runs logged: numbered, scored, continued, highlighted."""

from dataclasses import replace

import pytest

from glr.errors import GlrError
from glr.tracking.rows import ensembles, highlighted, single_models


def test_a_row_is_what_the_run_logged(past):
    (row,) = single_models([past("a", 0.3, 0.2, regularization__label="l2", data__normalization="zero_one")], None)
    assert row.model == {"backbone": "Xception", "pooling": "GeM", "head": "AdaCos(Semi)", "regularization": "l2"}
    assert row.setting["normalization"] == ("Normalization", "0 ~ 1")
    assert row.setting["image_size"] == ("Input size", "441 x 441")
    assert row.setting["schedule"] == ("lr", "CosineDecay(0.001)")
    assert (row.index, row.public, row.private, row.failed) == (1, 0.3, 0.2, False)


def test_only_finished_and_failed_runs_of_training_are_rows(past):
    runs = [past("a", 0.1, 0.1), past("b", status="FAILED"), past("c", status="RUNNING"), past("d", status="KILLED")]
    runs += [past("e", kind="sweep"), past("f", 0.2, 0.2, kind="ensemble", members="[1]")]
    assert [(row.run.name, row.failed) for row in single_models(runs, None)] == [("a", False), ("b", True)]


def test_runs_without_an_index_follow_the_others_in_order_of_start(past):
    runs = [past("a", 0.1, 0.1), past("b", 0.1, 0.1, index=7), past("c", 0.1, 0.1), past("d", 0.1, 0.1, index=2)]
    assert [(row.index, row.run.name) for row in single_models(runs, None)] == [(2, "d"), (7, "b"), (8, "a"), (9, "c")]


def test_a_continuation_of_the_same_index_is_in_the_row_it_continues(past):
    runs = [past("then", 0.4, 0.3, index=6, init_from="first"), past("first", 0.2, 0.1, index=6, init_from="null")]
    (row,) = single_models(runs, None)
    assert (row.run.name, row.public, row.continuation.run.name, row.continuation.public) == ("first", 0.2, "then", 0.4)
    assert row.best == 0.4
    runs = [past("first", 0.2, 0.1), past("then", 0.4, 0.3, init_from="first")]
    assert len(single_models(runs, None)) == 2


def test_which_score(past):
    run = past("a", 0.3, 0.2)
    run = replace(run, metrics=run.metrics | {"public/map_at_100": 0.5, "private/map_at_100": 0.4})
    board = replace(run, metrics=run.metrics | {"leaderboard/public": 0.9, "leaderboard/private": 0.8})
    assert [(r.public, r.private) for r in single_models([run, board], None)] == [(0.3, 0.2), (0.9, 0.8)]
    assert [(r.public, r.private) for r in single_models([run], "map_at_100")] == [(0.5, 0.4)]
    with pytest.raises(GlrError, match=r"compare\.metric=map: no run has this metric; there are map_at_100"):
        single_models([run], "map")


def test_further_settings(past):
    (row,) = single_models([past("a", 0.1, 0.1, seed=5)], None, ["seed"])
    assert row.setting["seed"] == ("seed", "5")
    with pytest.raises(GlrError, match=r"compare\.settings: no run has a parameter sede"):
        single_models([past("a", 0.1, 0.1, seed=5)], None, ["sede"])


def test_an_ensemble_names_its_members_by_their_rows(past):
    singles = [past("a", 0.1, 0.1, index=4), past("b", 0.1, 0.1, index=9)]
    joint = past("both", 0.3, 0.2, kind="ensemble", members=f'["{singles[1].id}", 4]')
    (row,) = ensembles([*singles, joint], single_models(singles, None), None)
    assert (row.index, row.model, row.public) == (1, {"members": "(9)+(4)"}, 0.3)


def test_highlight_rules(past):
    runs = [
        past("a", 0.1, 0.1, highlights='["epochs"]'),
        past("b", 0.1, 0.1, backbone__label="DenseNet201"),
        past("c", 0.1, 0.1, train__epochs=10, regularization__label="l2"),
        past("d", 0.1, 0.1, backbone__label="DenseNet201", head__label="ArcFace"),
    ]
    rows = single_models(runs, None)

    def marked(rule: str) -> list[set[str]]:
        return [set(row.highlights) for row in highlighted(rows, rule)]

    assert marked("explicit") == [{"epochs"}, set(), set(), set()]
    assert marked("previous") == [set(), set(), {"epochs", "regularization"}, {"head"}]
    against_b = [{"backbone"}, set(), {"backbone", "epochs", "regularization"}, {"head"}]
    assert marked("b") == marked("2") == marked(runs[1].id) == against_b
    with pytest.raises(GlrError, match=r"compare\.highlight=e: no run with this index, name or id"):
        highlighted(rows, "e")


def test_labels_are_tags_and_were_parameters(past):
    before, now = past("before", 0.1, 0.1), past("now", 0.1, 0.1)
    labels = {key: now.params.pop(key) for key in list(now.params) if key.endswith(".label")}
    now.tags.update(labels)
    first, second = single_models([before, now], None, ["head.label"])
    assert first.model == second.model != {}
    assert first.setting == second.setting
    assert first.setting["head.label"] == ("head.label", labels["head.label"])
