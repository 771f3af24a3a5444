"""A kept index outlives a new name of its model and errors of the disk; damaged, it is moved aside."""

import errno
from pathlib import Path

import numpy as np
import pytest

from glr.errors import GlrError
from glr.retrieval import descriptors
from glr.retrieval.index import Index
from glr.retrieval.trained import TrainedModel
from glr.search.keeping import kept
from tests.retrieval.conftest import Colours, photo


def model(name: str = "colours") -> TrainedModel:
    return TrainedModel(name, "", None, Colours(), ["colours", 1])


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """A kept index of three photos."""
    for seed, name in enumerate("abc"):
        photo(tmp_path / f"photos/{name}.png", seed)
    index = opened(tmp_path)
    index.update()
    return index


def opened(folder: Path, name: str = "colours") -> Index:
    return kept(model(name), str(folder / "photos"), folder / "cache", dtype="float32")


def test_a_renamed_model_has_the_same_index(index: Index, tmp_path: Path):
    again = opened(tmp_path, "new name")
    assert again.path == index.path
    assert again.update() == (0, 0, 3, {})


@pytest.mark.parametrize("damage", ["settings", "descriptors", "missing"])
def test_a_damaged_index_is_moved_aside(index: Index, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]):
    assert index.path
    (rows,) = index.path.glob("rows-*")
    if damage == "settings":
        (index.path / "glr-index.json").write_text("{")
    elif damage == "descriptors":
        (rows / "images_descriptors.npy").unlink()  # `index` has the old file mapped
        (rows / "images_descriptors.npy").write_bytes(b"")
    else:
        (rows / "files.json").unlink()
    before = sorted(file.name for file in index.path.rglob("*") if file.name != ".lock")
    again = opened(tmp_path)
    (aside,) = (tmp_path / "cache").glob("*.damaged-*")
    assert sorted(file.name for file in aside.rglob("*")) == before
    assert f"it is now {aside}, and its photos are described again" in capsys.readouterr().err
    assert again.path == index.path
    assert again.update() == (3, 0, 0, {})
    np.testing.assert_array_equal(again.descriptors, index.descriptors)


def test_an_index_that_cannot_be_read_stays(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def failing(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(descriptors.np, "load", failing)
        with pytest.raises(GlrError, match="Input/output error"):
            opened(tmp_path)
    assert opened(tmp_path).update() == (0, 0, 3, {})
    assert list((tmp_path / "cache").iterdir()) == [index.path]
