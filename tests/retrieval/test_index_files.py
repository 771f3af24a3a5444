"""What a stored index holds is data: damage and forgery are refused, and the files of others stay."""

import errno
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from glr import storage
from glr.errors import GlrError
from glr.retrieval import descriptors, rows
from glr.retrieval.index import Index
from glr.retrieval.rows import DamagedIndexError
from glr.retrieval.trained import TrainedModel
from tests.retrieval.conftest import NAMES, photo, vector


def forged(place: Path, **changes: object) -> None:
    """Change an index's settings."""
    content = json.loads((place / "glr-index.json").read_text())
    (place / "glr-index.json").write_text(json.dumps(content | changes))


def with_rows(place: Path, folder: Path) -> None:
    """Make a changed folder of rows that of the index, with the name that its content gives."""
    folder.rename(place / f"rows-{rows.digest(folder)}")
    forged(place, rows=next(place.glob("rows-*")).name[5:])


def with_sums(folder: Path) -> None:
    """Make the checksums of changed descriptors and ids right."""
    sums = [storage.checksum(folder / f"images_{name}") for name in ("ids.txt", "descriptors.npy")]
    (folder / "images_checksums.txt").write_text(f"7 {' '.join(sums)}\n")


def test_what_is_stored_is_data(model: TrainedModel, photos: Path, tmp_path: Path):
    place = tmp_path / "photos.index"
    Index.build(model, photos, place)
    (own,) = place.glob("rows-*")

    def with_path(path: str) -> None:
        files = json.loads((own / "files.json").read_text())
        (own / "files.json").write_text(json.dumps({path: "1 1"} | files))
        ids = (own / "images_ids.txt").read_text().splitlines()
        (own / "images_ids.txt").write_text("\n".join([path, *ids[1:]]) + "\n")
        with_sums(own)
        with_rows(place, own)

    def with_nan() -> None:
        values = np.load(own / "images_descriptors.npy")
        values[2, 3] = np.nan
        np.save(own / "images_descriptors.npy", values)
        with_sums(own)
        with_rows(place, own)

    def nested() -> None:
        (own / "files.json").write_text("[" * 100_000)
        with_rows(place, own)

    def pickled() -> None:
        np.save(own / "images_descriptors.npy", np.array([{}] * 7, object), allow_pickle=True)

    attacks = [
        (lambda: with_path("../../secret.png"), "'../../secret.png' is no path inside a folder"),
        (lambda: with_path("/etc/secret.png"), "'/etc/secret.png' is no path inside a folder"),
        (lambda: with_path("a\0.png"), r"'a\x00.png' is no path inside a folder"),
        (with_nan, "image f.png: its descriptor holds NaN or infinity"),
        (nested, "is damaged"),
        (pickled, "is damaged"),
        (lambda: forged(place, rows="../../elsewhere"), "is damaged (a value has another type or form)"),
        (lambda: forged(place, dtype="object"), "is damaged (a value has another type or form)"),
        (lambda: forged(place, version=True), "is damaged (a value has another type or form)"),
        (lambda: forged(place, folder="a\0b"), "is damaged (a value has another type or form)"),
        (lambda: forged(place, rows=5), "is damaged"),
        (lambda: (place / "glr-index.json").write_text("[" * 100_000), "is damaged"),
        (lambda: forged(place, more=1), "is damaged"),
        (lambda: (place / "glr-index.json").write_text("{"), "is damaged"),
        (lambda: (own / "files.json").write_text("{}"), "its files differ from their checksums"),
        (lambda: (own / "images_ids.txt").write_text("x\n" * 7), "wrong checksum"),
        (lambda: (own / "images_descriptors.npy").unlink(), "no such file"),
    ]
    shutil.copytree(place, tmp_path / "kept")
    for attack, message in attacks:
        attack()
        with pytest.raises(DamagedIndexError, match=re.escape(message)):
            Index.open(place)
        shutil.rmtree(place)
        shutil.copytree(tmp_path / "kept", place)
    forged(place, version=2)
    with pytest.raises(GlrError, match="was written by another version of glr") as refused:
        Index.open(place)
    assert not isinstance(refused.value, DamagedIndexError)
    forged(place, version=1)
    (place / ".glr-pending").symlink_to(tmp_path)
    photo(photos / "new.png", 90)
    with pytest.raises(GlrError, match="pending is a link"):
        Index.open(place, model, photos).update()


def test_an_index_leaves_other_files_alone(model: TrainedModel, photos: Path, tmp_path: Path):
    for name in ("new", "pending", "rows-0123456789abcdef0123"):
        photo(photos / name / "mine.png", 60)
    (photos / "index.json").write_text("{}")  # of a gallery
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(GlrError, match="photos holds other files, and an index needs a folder of its own"):
        Index.build(model, photos, photos)
    with pytest.raises(GlrError, match="holds no index"):
        Index.open(photos)
    with pytest.raises(GlrError, match=r"a\.png is a file, and an index needs a folder"):
        Index.build(model, photos, photos / "a.png")
    assert sorted(tmp_path.rglob("*")) == before
    (tmp_path / "empty").mkdir()
    assert len(Index.build(model, photos, tmp_path / "empty")) == 10


def test_a_stored_index_does_not_choose_the_files_that_are_shown(model: TrainedModel, photos: Path, tmp_path: Path):
    """A foreign index names a private folder; the caller names the folder of the photos, wherever it has moved."""
    place = tmp_path / "photos.index"
    Index.build(model, photos, place)
    forged(place, folder=str(photos.rename(tmp_path / "private")), model="\x1b[2J")
    foreign = Index.open(place, model)
    hits = foreign.search(vector(3), k=2)
    assert (foreign.paths, hits.paths) == ([""] * 7, ["", ""])
    assert "data:image/" not in hits._repr_html_()
    assert repr(foreign) == f"<index of 7 images of {tmp_path}/private by \\x1b[2J>"
    with pytest.raises(GlrError, match=r"was described by \\x1b\[2J, not by other"):
        Index.open(place, TrainedModel("other", "", None, model.describer, ["other", 1]))
    moved = (tmp_path / "private").rename(tmp_path / "moved")
    index = Index.open(place, model, moved)
    assert index.search(vector(3), k=1).paths == [str(moved / "sub/d é.png")]
    photo(moved / "new.png", 70)
    assert index.update()[0] >= 1
    assert index.paths[NAMES.index("g.png") + 1] == str(moved / "new.png")
    assert json.loads((place / "glr-index.json").read_text())["folder"] == str(moved)


def test_an_error_of_the_disk_is_no_damage(
    model: TrainedModel, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    place = tmp_path / "photos.index"
    Index.build(model, photos, place)
    for module, name in ((descriptors.np, "load"), (Path, "open")):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, failing)
            with pytest.raises(GlrError, match="Input/output error") as refused:
                Index.open(place)
            assert not isinstance(refused.value, DamagedIndexError)
    assert Index.open(place).ids == NAMES


def failing(*_: object, **__: object) -> None:
    raise OSError(errno.EIO, "Input/output error")


def test_a_reader_meets_an_update_between_the_settings_and_the_rows(
    model: TrainedModel, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    place = tmp_path / "photos.index"
    index = Index.build(model, photos, place)
    photo(photos / "new.png", 91)
    digest, met = rows.digest, []

    def meeting(folder: Path) -> str:
        if not met:
            met.append(folder)
            index.update()
        return digest(folder)

    monkeypatch.setattr(rows, "digest", meeting)
    reader = Index.open(place)
    assert not met[0].exists()
    assert len(reader) == 8
