"""Which runs are one configuration, what tells configurations apart, and how a user names one."""

from dataclasses import replace
from itertools import count

import pytest

from glr.errors import GlrError
from glr.report.study.configurations import common, configurations, named
from glr.tracking.history import PastRun

USUAL = {
    **{"backbone": "small_cnn", "backbone._target_": "glr.x.SmallCNN", "backbone.label": "SmallCNN"},
    **{"head": "arcface", "head._target_": "glr.x.ArcFace", "head.label": "ArcFace", "head.margin": "0.5"},
    **{"optimizer.learning_rate": "0.001", "schedule.peak": "0.001", "train.epochs": "2", "train.batch_size": "8"},
    **{"seed": "0", "study": "s", "name": "null", "data.path": "data/a", "parameters": "10"},
}
COSFACE = {"head": "cosface", "head._target_": "glr.x.CosFace", "head.label": "CosFace", "head.scale": "64"}


_numbers = count(1)


def run(key: str, typed: str = "", kind: str = "train", status: str = "FINISHED", **params: str) -> PastRun:
    number = next(_numbers)
    given = {name.replace("__", "."): text for name, text in params.items()}
    own = USUAL | given if kind == "train" else given
    tags = {"kind": kind, "overrides": typed} | ({"configuration": key, "data_digest": "d"} if key else {})
    return PastRun(f"{number:032x}", f"run{number}", "s", status, number, own, {}, tags, store="x")


def test_runs_that_differ_in_the_seed_are_one_configuration():
    runs = [
        run("a", "seed=1 head=arcface", seed="1", status="FAILED"),
        run("b", "seed=0 head=cosface", **COSFACE),
        run("a", "seed=0 head=arcface", data__path="/elsewhere"),
        run("a", "seed=2 head=arcface", seed="2", status="RUNNING"),
    ]
    rows = configurations(runs)
    assert [(row.index, row.settings, row.labels, row.name) for row in rows] == [
        (1, {"head": "arcface"}, {"head": "ArcFace"}, "ArcFace"),
        (2, {"head": "cosface"}, {"head": "CosFace"}, "CosFace"),
    ]
    assert [[each.id for each in row.runs] for row in rows] == [[runs[2].id, runs[0].id], [runs[1].id]]
    assert [row.seeds for row in rows] == [["0"], ["0"]]
    assert common(rows) == {"Backbone": "SmallCNN", "Epochs": "2", "Batch size": "8"}


def test_a_seed_that_ran_twice_counts_once():
    runs = [
        run("a", seed="1"),
        run("a", seed="1"),
        run("a", seed="1", status="FAILED"),
        run("a", seed="2", status="FAILED"),
    ]
    (row,) = configurations(runs)
    assert [each.id for each in row.runs] == [runs[1].id, runs[3].id]
    assert (row.seeds, row.repeated) == (["1"], 2)
    assert [each.repeated for each in configurations(runs, by_seed=False)] == [0] * 4


def test_rows_of_several_studies_name_their_study():
    first, second = run("a", "head=arcface study=s"), run("b", "head=arcface study=t", study="t")
    assert [row.name for row in configurations([first, second])] == ["study=s", "study=t"]


def test_another_data_set_is_another_configuration():
    first, second = run("a"), run("a")
    second.tags["data_digest"] = "e"
    assert [row.key for row in configurations([first, second])] == ["a-d", "a-e"]


def test_single_runs_as_rows_have_their_seed():
    rows = configurations([run("a", "seed=0"), run("a", "seed=1", seed="1")], by_seed=False)
    assert [row.name for row in rows] == ["seed=0", "seed=1"]


def test_what_the_command_line_names_suffices_and_what_follows_from_it_is_left_out():
    typed = [f"optimizer.learning_rate={rate}" for rate in ("0.001", "0.002")]
    rows = configurations(
        [run("a", typed[0]), run("b", typed[1], optimizer__learning_rate="0.002", schedule__peak="0.002")]
    )
    assert [row.settings for row in rows] == [
        {"optimizer.learning_rate": "0.001"},
        {"optimizer.learning_rate": "0.002"},
    ]


def test_without_a_telling_command_line_all_that_varies_counts_but_not_arguments_of_a_varying_choice():
    runs = [run("a", "experiment=1"), run("b", "experiment=2", **COSFACE, train__epochs="4")]
    runs += [run("c", "experiment=3", **COSFACE, train__epochs="2", head__scale="32")]
    assert [row.settings for row in configurations(runs)] == [
        {"head": "arcface", "train.epochs": "2"},
        {"head": "cosface", "head.scale": "64", "train.epochs": "4"},
        {"head": "cosface", "head.scale": "32", "train.epochs": "2"},
    ]


def test_two_choices_of_the_same_label_are_told_apart_by_their_names():
    mine = {"head": "mine", "head._target_": "my.ArcFace", "head.label": "ArcFace"}
    assert [row.name for row in configurations([run("a", "head=arcface"), run("b", "head=mine", **mine)])] == [
        "arcface",
        "mine",
    ]


def test_ensembles_and_evaluations_are_rows_of_their_own():
    trained = run("a")
    joint = run("", kind="ensemble", names='["one", "two"]', weights="[1.0, 2.0]")
    plain = run("", kind="evaluation", run="x", model="null", whitening="none", memory="1.5", tta="none")
    plain.tags["mlflow.parentRunId"] = trained.id
    whitened = run("", kind="evaluation", run="null", model="exports/m", whitening="pca", memory="9", tta="none")
    whitened.params["whitening.label"] = "PCA"
    rows = configurations([whitened, joint, trained, plain], evaluations=True)
    assert [row.kind for row in rows] == ["train", "ensemble", "evaluation", "evaluation"]
    assert rows[1].runs[0].params["names"] == '["one", "two"]'
    assert [row.settings for row in rows[2:]] == [
        {"model": "exports/m", "whitening": "pca"},
        {"model": trained.name, "whitening": "none"},
    ]
    assert rows[2].labels["whitening"] == "PCA"
    assert [row.name for row in rows[2:]] == ["model=exports/m, PCA", f"model={trained.name}, whitening=none"]
    assert len(configurations([joint, trained, plain])) == 2


def test_evaluations_of_one_model_are_told_apart_by_their_choices():
    pair = [run("", kind="evaluation", run="x", model="null", whitening=choice) for choice in ("none", "pca")]
    rows = configurations(pair, evaluations=True)
    assert [row.name for row in rows] == ["whitening=none", "whitening=pca"]
    assert [row.settings["model"] for row in rows] == ["x", "x"]


def test_a_row_is_named_by_index_name_or_run():
    runs = [
        run("a", "head=arcface", index="7"),
        run("b", "head=cosface", **COSFACE),
        run("a", "head=arcface", seed="1"),
    ]
    rows = configurations(runs)
    assert [row.index for row in rows] == [7, 8]
    for wanted, place in (("7", 0), ("CosFace", 1), ("b-d", 1), (runs[2].id, 0), (runs[1].name, 1)):
        assert named(rows, wanted, "compare.baseline") == place
    with pytest.raises(
        GlrError, match=r"compare\.baseline=9: no row has this index, name or id; the names are ArcFace; CosFace"
    ):
        named(rows, "9", "compare.baseline")
    twice = configurations([replace(run("a", seed=seed), name="same") for seed in "01"], by_seed=False)
    with pytest.raises(
        GlrError, match=r"compare\.baseline=same: 2 rows match, give the id of a run: 0{28}[0-9a-f]{4} .*; 0"
    ):
        named(twice, "same", "compare.baseline")


def test_further_parameters_are_printed():
    rows = configurations([run("a", "head=arcface"), run("b", "head=cosface", **COSFACE)], printed=["train.epochs"])
    assert [row.labels for row in rows] == [
        {"train.epochs": "2", "head": "ArcFace"},
        {"train.epochs": "2", "head": "CosFace"},
    ]
    assert [row.name for row in rows] == ["ArcFace", "CosFace"]
    with pytest.raises(GlrError, match=r"compare\.settings: no run has a parameter nope"):
        configurations([run("a")], printed=["nope"])


def test_a_configuration_that_is_alone_is_named_without_its_seeds():
    seeds = [replace(run("a", f"seed={seed}", seed=seed), name=f"arcface seed={seed}") for seed in "01"]
    assert [row.name for row in configurations(seeds)] == ["arcface"]
    assert [row.name for row in configurations(seeds[:1])] == ["arcface seed=0"]
    assert [row.name for row in configurations([replace(each, name="seed=0") for each in seeds])] == ["s"]
