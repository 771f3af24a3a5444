"""Choices of one's own are looked up where Hydra looks them up, and their classes are checked without an import."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from glr.config import searchpath
from glr.config.check import check_command_line, composed
from glr.config.identity import settings_of
from glr.errors import GlrError


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config folder with a head, whose package ends the test if it is imported, and an experiment."""
    package = tmp_path / "owned/inner"
    package.mkdir(parents=True)
    for file in (package.parent / "__init__.py", package / "__init__.py"):
        file.write_text("raise RuntimeError('imported')\n")
    (package / "heads.py").write_text(
        "from glr.model.head.cosine import CosineHead\n"
        "class Mine(CosineHead):\n"
        "    def __init__(self, *, num_classes: int, scale: float | None, margin: float): ...\n"
    )
    choices = tmp_path / "choices"
    for name, text in {
        "head/mine.yaml": "_target_: owned.inner.heads.Mine\nscale: null\nmargin: 0.1\n",
        "experiment/own/07_mine.yaml": "# @package _global_\ndefaults: [{override /head: mine}, _self_]\nseed: 7\n",
    }.items():
        (choices / name).parent.mkdir(parents=True, exist_ok=True)
        (choices / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return choices


@pytest.fixture(params=["--config-dir", "hydra.searchpath"])
def given(request: pytest.FixtureRequest, own: Path) -> Iterator[list[str]]:
    """The overrides that name the folder; Hydra runs with it as with the flag."""
    GlobalHydra.instance().clear()
    if request.param == "hydra.searchpath":
        yield [f"hydra.searchpath=[{own}]"]
    else:
        with searchpath.hydra(str(own)):
            yield []


def test_a_choice_of_ones_own_is_a_choice_like_others(given: list[str]):
    assert {"mine", "arcface"} <= set(searchpath.choices("head", given))
    config, choices = composed("train", [*given, "head=mine", "head.margin=0.3"])
    assert (choices["head"], config.head.margin) == ("mine", 0.3)
    assert settings_of(config)["head"] == "owned.inner.heads.Mine"
    _, jobs = check_command_line("train", [*given, "head=mine,arcface", "pooling=max,avg", "seed=1,2"], True)
    assert jobs is not None
    assert len(jobs) == 8
    config, _ = composed("train", [*given, *jobs[-1]])
    assert (config.head._target_, config.seed) == ("glr.model.head.arcface.ArcFace", 2)
    overrides, _ = check_command_line("train", [*given, "experiment=own/07"], False)
    assert composed("train", overrides)[0].seed == 7
    assert not any(name.startswith("owned") for name in sys.modules)


MISTAKES = {
    "head.margin=x": "head.margin=x: expected a number",
    "head.margn=1": r"head.margn is not a setting; did you mean head.margin \(of .*head=mine",
    "+head.depth=1": "head.depth is not a setting",
    "head._target_=owned.inner.heads.Other": ".*module owned.inner.heads has no class or function Other",
    "head._target_=owned.other.Mine": ".*there is no module owned.other",
    "head=min": "head=min: there is no such choice; did you mean head=mine",
}


def test_its_mistakes_are_sentences(given: list[str]):
    for override, sentence in MISTAKES.items():
        head = [] if override.startswith("head=") else ["head=mine"]
        with pytest.raises(GlrError, match=f"^{sentence}"):
            check_command_line("train", [*given, *head, override], False)


def test_it_is_no_choice_elsewhere(own: Path):
    GlobalHydra.instance().clear()
    with pytest.raises(GlrError, match="head=mine: there is no such choice"):
        composed("train", ["head=mine"])
    with pytest.raises(GlrError, match=f"hydra.searchpath: there is no folder {own}/none"):
        composed("train", [f"hydra.searchpath=[{own}/none]"])
    with pytest.raises(GlrError, match="--config-dir none: there is no such folder"), searchpath.hydra("none"):
        pass
