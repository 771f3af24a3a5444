"""The settings of a search are checked; their defaults pass."""

import importlib.util
from typing import Any

import pytest
from omegaconf import OmegaConf

from glr.config import search
from glr.config.search import Settings, check
from glr.errors import GlrError


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
