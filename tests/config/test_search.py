"""The settings of a search are checked; their defaults pass."""

import importlib.util
from typing import Any

import pytest
from omegaconf import OmegaConf

from glr.config import search
from glr.config.grammar import parse
from glr.config.ranges import Range, parameter
from glr.config.search import Settings, check, ranges
from glr.errors import GlrError

STEPS = {"type": "float", "low": 0.25, "high": 1.0, "step": 0.25}


def node(**changed: Any) -> Any:
    return OmegaConf.merge(OmegaConf.structured(Settings), changed)


def test_defaults_pass():
    check(node())
    check(node(study_name="mine", n_trials=1, warmup_trials=0))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"n_trials": 0}, "n_trials=0: expected at least 1"),
        ({"n_jobs": 0}, "n_jobs=0: expected at least 1"),
        ({"seed": -1}, "seed=-1: expected at least 0"),
        ({"warmup_steps": -2}, "warmup_steps=-2: expected at least 0"),
        ({"study_name": "a:b"}, "study_name=a:b: a search's name has no colon"),
    ],
)
def test_mistakes(changed: dict[str, Any], sentence: str):
    with pytest.raises(GlrError) as raised:
        check(node(**changed))
    assert str(raised.value) == f"hydra.sweeper.{sentence}"


def test_optuna_may_be_missing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(search, "find_spec", lambda name: importlib.util.find_spec(f"{name}_is_missing"))
    with pytest.raises(GlrError, match=r"Optuna is not installed; pip install '\.\[optuna\]'"):
        check(node())


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"type": "int", "low": 1, "high": 9}, Range(1, 9)),
        ({"type": "int", "low": 1, "high": 9, "step": 2}, Range(1, 9, 2)),
        ({"type": "int", "low": 1, "high": 64, "log": True}, Range(1, 64, log=True)),
        ({"type": "float", "low": 0.1, "high": 0.5}, Range(0.1, 0.5)),
        ({"type": "float", "low": 1e-5, "high": 0.1, "log": True}, Range(1e-5, 0.1, log=True)),
        ({"type": "categorical", "choices": ["a b", "c,d", 3]}, ["a b", "'c,d'", "3"]),
    ],
)
def test_a_search_space_is_the_range_that_hydras_sweeper_makes_of_it(node: dict[str, Any], expected: object):
    (text,) = ranges({"seed": node}).values()
    assert parameter(parse([f"seed={text}"])[0]) == expected


def test_a_range_with_steps_includes_its_end():
    domain: Any = parameter(parse([f"seed={ranges({'seed': STEPS})['seed']}"])[0])
    assert (domain.low, domain.high, domain.step) == (0.25, 1.0, 0.25)


@pytest.mark.parametrize(
    "node", [{"low": 1, "high": 2}, {"type": "int", "low": 1}, {"type": "float", "low": 1, "high": 2, "x": 1}, 3]
)
def test_a_range_that_is_incomplete_is_refused(node: Any):
    with pytest.raises(GlrError, match=r"^hydra\.sweeper\.search_space\.seed=.*: expected \{type: "):
        ranges({"seed": node})
