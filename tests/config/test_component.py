"""Signatures read from the source agree with Python's own, and types are checked as annotated."""

import pytest
from omegaconf import OmegaConf

from glr.config import component
from glr.errors import GlrError


def test_signature_follows_imports_and_bases():
    folder = component.signature("glr.data.source.FolderSource")
    assert folder is not None
    assert folder["retrieval_classes"] == "float"
    assert component.signature("glr.optimizer.Adam") is None  # the constructor is Keras's
    assert component.signature("glr.augment.Unchanged") == {}


@pytest.mark.parametrize(
    ("annotation", "value", "fits"),
    [
        ("float", 1, True),
        ("float", True, False),
        ("float", "x", False),
        ("int", 1.5, False),
        ("int | None", None, True),
        ("float | None", None, True),
        ("float", None, False),
        ("bool", 1, False),
        ("str", "x", True),
        ("Literal['a', 'b']", "a", True),
        ("Literal['a', 'b']", "c", False),
        ("list[int]", [1, 2], True),
        ("list[int]", [1, "x"], False),
        ("list[int]", 3, False),
    ],
)
def test_check_type(annotation: str, value: object, fits: bool):
    node = OmegaConf.create({"x": value})
    if fits:
        component.check_type("part.x", node, "x", annotation)
    else:
        with pytest.raises(GlrError, match=r"part\.x=.*: expected "):
            component.check_type("part.x", node, "x", annotation)


def test_build_passes_only_the_run_time_arguments_that_the_constructor_names():
    config = OmegaConf.create(
        {"_target_": "glr.data.source.FolderSource", "label": "x", "path": "p", "retrieval_classes": 0.5, "seed": 1}
    )
    source = component.build(config, query_images=0.25, num_classes=5)
    assert source.query_images == 0.25


def test_build_names_the_component_whose_constructor_refused():
    part = {"_target_": "glr.augment.Study", "flip": 2.0, "brightness": 0, "hue": 0, "rotation": 0, "shear": 0}
    config = OmegaConf.create({"augment": part | {"zoom": 0, "shift": 0}})
    with pytest.raises(GlrError, match=r"augment: flip=2\.0: expected 0 to 1"):
        component.build(config.augment)
