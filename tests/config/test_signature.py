"""Signatures read from the source agree with Python's own, and types are checked as annotated."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from glr.config.signature import check_type, declared, signature
from glr.errors import GlrError


def test_signature_follows_imports_and_bases():
    folder = signature("glr.data.source.FolderSource")
    assert folder is not None
    assert folder["retrieval_classes"] == "float"
    assert signature("glr.optim.optimizer.Adam") is None  # the constructor is Keras's
    assert signature("glr.data.augment.Unchanged") == {}


def test_attributes_are_read_from_a_class_and_its_bases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "strange_heads.py").write_text(
        "from array import array\nfrom glr.model.head.supcon import SupCon\n"
        "class Mine(SupCon): pass\nclass Other(Mine):\n    has_weights = True\nclass Strange(array): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert declared("strange_heads.Mine", "has_weights") is False
    assert declared("strange_heads.Other", "has_weights") is True
    assert declared("strange_heads.Strange", "has_weights") is None
    assert declared("glr.model.pooling.ClassTokenGeM", "reads_class_token") is True
    assert declared("keras.layers.GlobalMaxPooling2D", "reads_class_token") is None


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
