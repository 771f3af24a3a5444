"""The settings in which a job departs from the defaults."""

from glr.config.check import composed
from glr.config.departures import departures


def of(*overrides: str) -> dict:
    return departures("train", *composed("train", list(overrides)), list(overrides))


def test_only_what_differs_is_listed():
    assert of() == {}
    # A choice stands for its own settings; what a preset of the data gives is a default, too.
    assert of("head=arcface", "seed=1", "study=x", "name=y", "checkpoint.minutes=3", "sweep.jobs=2") == {
        "head": "arcface",
        "seed": 1,
    }
    assert of("head=arcface", "head.margin=0.25", "head.label=mine", "data.source.path=x")["head.margin"] == 0.25
    assert of("train.epochs=1") == {"train.epochs": 1}
    assert of("backbone=densenet201", "seed=0") == {}


def test_an_experiment_is_named_with_what_it_sets():
    found = of("experiment=published/09_xception")
    assert found["experiment"] == "published/09_xception"
    assert found["backbone"] == "xception"
    assert "data" in found


def test_secrets_are_left_out():
    assert of("data.source.path='http://bob:S3cret@h'")["data.source.path"] == "http://***@h"
