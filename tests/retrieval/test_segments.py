"""An interrupted description continues, and files that cannot be read are named, left out or tried again."""

import os
from pathlib import Path

import numpy as np
import pytest

from glr.data import pictures
from glr.errors import GlrError
from glr.retrieval import segments
from glr.retrieval.index import Index
from glr.retrieval.trained import TrainedModel
from tests.retrieval.conftest import JPEG, NAMES, SEEDS, expected, photo, touched, vector


def test_an_interrupted_update_continues_though_files_changed(
    model: TrainedModel, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """In segments of 2 photos, the description stops in the third segment; then a photo of the first changes."""
    monkeypatch.setattr(segments, "_FILES", 2)
    place, described = tmp_path / "photos.index", model.describer.described
    before = Index.build(model, photos, place)
    for name in NAMES:
        touched(photos / name, SEEDS[name] + 50)
    described.clear()
    describe = model.describer.describe

    def stopping(loaded):
        for names, values in describe(loaded):
            if len(described) > 4:
                raise KeyboardInterrupt
            yield names, values

    monkeypatch.setattr(model.describer, "describe", stopping)
    with pytest.raises(KeyboardInterrupt):
        Index.open(place, model, photos).update()
    monkeypatch.undo()
    monkeypatch.setattr(segments, "_FILES", 2)
    np.testing.assert_array_equal(Index.open(place).descriptors, before.descriptors)
    assert described == ["a.png", "b.png", "f.png", "g.png", "sub/c.png", "sub/d é.png"]
    described.clear()
    touched(photos / "a.png", 80)
    os.utime(photos / "a.png", ns=(2, 2))
    index = Index.open(place, model, photos)
    index.update()
    assert sorted(described) == ["a.png", "sub/c.png", "sub/d é.png", "sub/deep/e.png"]
    np.testing.assert_array_equal(index.descriptors, Index.build(model, photos).descriptors)


def test_unreadable_photos_are_named_and_left_out_on_request(model: TrainedModel, photos: Path, tmp_path: Path):
    for name in ("bad.jpg", "sub/worse.png"):
        (photos / name).write_bytes(b"no image at all")
    place = tmp_path / "photos.index"
    said = (
        r"bad\.jpg: it is not an image in a readable format .* \(2 of 9 images cannot be decoded, also sub/worse\.png\)"
    )
    with pytest.raises(GlrError, match=rf"^{photos}/{said}; replace them, or leave them out with on_bad_image=skip$"):
        Index.build(model, photos, place)
    described = model.describer.described
    described.clear()
    index = Index.build(model, photos, place, on_bad_image="skip")
    assert described == ["bad.jpg", "sub/worse.png"]  # the first call has described all; these are tried again
    assert index.ids == NAMES
    assert list(index.unreadable) == ["bad.jpg", "sub/worse.png"]
    np.testing.assert_allclose(index.descriptors, expected(NAMES), atol=JPEG)
    described.clear()
    index = Index.open(place, model, photos)
    stored = (place / "glr-index.json").stat()
    assert index.update(on_bad_image="skip")[:3] == (0, 0, 7)
    assert described == ["bad.jpg", "sub/worse.png"]
    assert os.path.samestat((place / "glr-index.json").stat(), stored)  # nothing changed, nothing was written
    described.clear()
    with pytest.raises(GlrError, match="2 of 9 images"):
        index.update()
    touched(photos / "bad.jpg", 30)
    described.clear()
    assert index.update(on_bad_image="skip")[:3] == (1, 0, 7)
    assert described == ["bad.jpg", "sub/worse.png"]
    np.testing.assert_allclose(index.descriptors[index.ids.index("bad.jpg")], vector(30), atol=JPEG)
    with pytest.raises(GlrError, match="on_bad_image=maybe: expected error or skip"):
        index.update(on_bad_image="maybe")


def test_an_added_image_does_not_take_the_id_of_an_unreadable_file(model: TrainedModel, photos: Path, tmp_path: Path):
    (photos / "bad.jpg").write_bytes(b"no image at all")
    index = Index.build(model, photos, tmp_path / "photos.index", on_bad_image="skip")
    with pytest.raises(GlrError, match=r"the id bad\.jpg appears twice"):
        index.add([photos / "a.png"], ids=["bad.jpg"])


def test_a_file_that_could_not_be_read_is_read_again(
    model: TrainedModel, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The disk fails for one photo in two builds that stop, and in one that leaves it out; its stamp never changes."""
    stopped, read = tmp_path / "stopped.index", pictures.read_image
    with monkeypatch.context() as patched:
        patched.setattr(pictures, "read_image", lambda path: failed(path) if path.endswith("f.png") else read(path))
        for _ in range(2):
            with pytest.raises(GlrError, match=r"f\.png: the disk failed"):
                Index.build(model, photos, stopped)
        index = Index.build(model, photos, tmp_path / "skipped.index", on_bad_image="skip")
        assert index.unreadable == {"f.png": "the disk failed"}
    assert index.update() == (1, 0, 6, {})
    for whole in (index, Index.build(model, photos, stopped)):
        assert whole.ids == NAMES
        np.testing.assert_allclose(whole.descriptors, expected(NAMES), atol=JPEG)


def failed(_: str) -> bytes:
    raise GlrError("the disk failed")


def test_a_name_with_a_line_break_is_left_out_on_request(model: TrainedModel, photos: Path):
    photo(photos / "two\nlines.png", 8)
    with pytest.raises(GlrError, match="the name of this image has a line break; rename it"):
        Index.build(model, photos)
    index = Index.build(model, photos, on_bad_image="skip")
    assert index.ids == NAMES
    assert list(index.update(on_bad_image="skip").unreadable) == ["two\nlines.png"]
