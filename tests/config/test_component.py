"""A component is the class that conf/ or the user names, checked and built with its arguments."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from glr.config import component
from glr.config.installation import CONF
from glr.config.signature import signature
from glr.errors import GlrError

GROUPS = sorted(folder.name for folder in CONF.iterdir() if folder.is_dir())


OWN = """
import dataclasses
from typing import Optional

import glr.model.head.cosine as base
from .parts import Unchanged


class Angular(base.CosineHead):
    def __init__(self, *, power: float, num_classes: int):
        super().__init__(num_classes)


class Marked:
    pass


class Steeper(Angular, Marked):
    pass


@dataclasses.dataclass
class Plain:
    margin: Optional[float]
    centers: int
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's package `ownheads`, which nothing of glr names."""
    package = tmp_path / "ownheads"
    package.mkdir()
    (package / "__init__.py").write_text("from .angular import Steeper\n")
    (package / "parts.py").write_text("from glr.data.augment import Unchanged\n")
    (package / "angular.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("own")
def test_a_class_of_the_users_own_is_checked_like_ours():
    assert signature("ownheads.angular.Steeper") == {"power": "float", "num_classes": "int"}
    assert signature("ownheads.angular.Unchanged") == {}
    assert signature("ownheads.Steeper") == {"power": "float", "num_classes": "int"}
    plain = OmegaConf.create({"_target_": "ownheads.angular.Plain", "margin": None, "centers": 3})
    component.check("head", plain, set())  # an annotation that the check does not know is the class's own affair
    plain.centers = 0.5
    with pytest.raises(GlrError, match=r"head\.centers=0\.5: expected a whole number"):
        component.check("head", plain, set())
    node = OmegaConf.create({"_target_": "ownheads.angular.Angular", "label": None, "power": "x"})
    with pytest.raises(GlrError, match=r"head\.power=x: expected a number"):
        component.check("head", node, {"num_classes"})
    with pytest.raises(GlrError, match=r"module ownheads\.angular has no class or function Missing"):
        signature("ownheads.angular.Missing")
    assert component.class_of("head", "ownheads.angular.Angular") == "ownheads.angular.Angular"


def test_a_class_is_the_one_that_conf_names_at_its_place():
    config = OmegaConf.create({"head": {"_target_": "glr.elsewhere.ArcFace"}, "x": {"y": None, "z": "${x.y}"}})
    component.resolve(config)
    assert config.head._target_ == component.named("head")["ArcFace"]
    gone = OmegaConf.create({"head": {"_target_": "glr.model.head.gone.Gone"}})
    with pytest.raises(GlrError, match=r"head: this version of glr has no class Gone there \(it has .*ArcFace"):
        component.resolve(gone)
    wrong = OmegaConf.create({"pooling": {"_target_": "glr.losses.arcface.ArcFace"}})  # a head is no pooling
    with pytest.raises(GlrError, match="pooling: this version of glr has no class ArcFace"):
        component.resolve(wrong)
    foreign = OmegaConf.create({"pooling": {"_target_": "os.system", "command": "id"}})
    with pytest.raises(GlrError, match=r"pooling\._target_=os\.system: expected a class of glr"):
        component.resolve(foreign, ["os"])
    foreign = OmegaConf.create({"pooling": {"_target_": "mypackage.Maximum"}})
    with pytest.raises(GlrError, match=r"pooling\._target_=mypackage\.Maximum: glr does not run code that a stored"):
        component.resolve(foreign)
    component.resolve(foreign, ["mypackage"])


def test_a_class_that_is_not_installed_is_one_sentence():
    config = OmegaConf.create({"head": {"_target_": "nowhere.MyHead"}})
    with pytest.raises(GlrError, match=r"^head\._target_=nowhere\.MyHead: No module named 'nowhere'"):
        component.build(config.head)


@pytest.mark.parametrize("group", GROUPS)
def test_no_two_classes_of_a_group_have_the_same_name(group: str):
    targets = {OmegaConf.load(file).get("_target_") for file in (CONF / group).glob("*.yaml")} - {None}
    assert len({target.rpartition(".")[2] for target in targets}) == len(targets)


def test_build_passes_only_the_run_time_arguments_that_the_constructor_names():
    config = OmegaConf.create(
        {"_target_": "glr.data.source.FolderSource", "label": "x", "path": "p", "retrieval_classes": 0.5, "seed": 1}
    )
    source = component.build(config, query_images=0.25, num_classes=5)
    assert source.held_out.query_images == 0.25


def test_build_names_the_component_whose_constructor_refused():
    part = {"_target_": "glr.data.augment.Study", "flip": 2.0, "brightness": 0, "hue": 0, "rotation": 0, "shear": 0}
    config = OmegaConf.create({"augment": part | {"zoom": 0, "shift": 0}})
    with pytest.raises(GlrError, match=r"augment: flip=2\.0: expected 0 to 1"):
        component.build(config.augment)
