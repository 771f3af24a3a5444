"""The key of a job: the same for what only says where it computes, another for what its result depends on."""

import pytest

from glr.config.check import composed
from glr.config.identity import differences, key_of, settings_of

BASE = ["backbone=small_cnn", "head=arcface"]


def settings(*overrides: str):
    return composed("train", [*BASE, *overrides])[0]


@pytest.mark.parametrize(
    "overrides",
    [
        ["head.margin=0.5", "seed=0"],  # what they are anyway
        ["strategy=cpu", "strategy.replicas=2"],
        ["tracking.uri=sqlite:///elsewhere.db", "data.parallelism=7", "evaluate.memory=3"],
        ["index=4", "highlights=[backbone]"],
    ],
)
def test_circumstances_are_no_part_of_the_key(overrides: list[str]):
    assert key_of(settings(*overrides)) == key_of(settings())


@pytest.mark.parametrize(
    "override", ["head.margin=0.4", "seed=1", "train.epochs=9", "name=other", "study=other", "data.path=elsewhere"]
)
def test_everything_else_is(override: str):
    assert key_of(settings(override)) != key_of(settings())


def test_differences_name_both_values():
    before, now = settings_of(settings()), settings_of(settings("head.margin=0.4", "name=x", "head=cosface"))
    found = differences(before, now)
    assert "head.margin: 0.5 -> 0.4" in found
    assert 'name: null -> "x"' in found
    assert found == sorted(found)
    assert differences(before, before) == []
    assert differences({"a": 1}, {"b": None}) == ["a: 1 -> (none)"]  # a missing key is equal to null
