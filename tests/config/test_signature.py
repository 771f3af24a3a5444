"""Signatures read from the source agree with Python's own, and types are checked as annotated."""

import pytest
from omegaconf import OmegaConf

from glr.config.signature import check_type, signature
from glr.errors import GlrError


def test_signature_follows_imports_and_bases():
    folder = signature("glr.data.source.FolderSource")
    assert folder is not None
    assert folder["retrieval_classes"] == "float"
    assert signature("glr.optim.optimizer.Adam") is None  # the constructor is Keras's
    assert signature("glr.data.augment.Unchanged") == {}


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
        check_type("part.x", node, "x", annotation)
    else:
        with pytest.raises(GlrError, match=r"part\.x=.*: expected "):
            check_type("part.x", node, "x", annotation)
