"""The settings in which a job departs from the defaults."""

from pathlib import Path
from unittest.mock import Mock

import pytest
from omegaconf import OmegaConf

from glr.config import composing
from glr.config.check import composed
from glr.config.departures import departures
from glr.config.installation import CONF
from glr.config.jobs import typed


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
    changes = of("experiment=published/09_xception")
    assert changes["experiment"] == "published/09_xception"
    assert changes["backbone"] == "xception"
    assert "data" in changes


def test_secrets_are_left_out():
    assert of("data.source.path='http://bob:S3cret@h'")["data.source.path"] == "http://***@h"


@pytest.mark.parametrize(("overrides", "times"), [(["train.epochs=1"], 0), (["head=arcface", "train.epochs=1"], 1)])
def test_the_jobs_own_choices_are_not_composed_again(overrides: list[str], times: int, monkeypatch: pytest.MonkeyPatch):
    """At most the defaults are: a run's description must not delay its start."""
    line = [f"hydra.job.num={times + 7}", *overrides]  # a line that no other test has composed
    job = composed("train", line)
    counted = Mock(side_effect=composing.compose)
    monkeypatch.setattr(composing, "compose", counted)
    assert departures("train", *job, line)["train.epochs"] == 1
    assert counted.call_count == times


def test_choices_of_a_folder_of_ones_own(tmp_path: Path):
    (tmp_path / "head").mkdir()
    (tmp_path / "head/mine.yaml").write_text((CONF / "head/arcface.yaml").read_text())
    assert of(f"hydra.searchpath=[{tmp_path}]", "head=mine") == {"head": "mine"}
    hydra = {"overrides": {"hydra": ["hydra.mode=MULTIRUN", "hydra.searchpath=[own]"], "task": ["head=mine"]}}
    assert typed(OmegaConf.create(hydra)) == ["hydra.searchpath=[own]", "head=mine"]
