"""Pictures and right answers by id, of a real prepared set."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glr.data.pictures import StoredPictures, picture
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from glr.report.study.album import album_of
from tests.report.study.conftest import past_run


def run_on(path: object, **tags: str):
    made = past_run("arcface", 1, **tags)
    return replace(made, params={"data.path": str(path)}, store="sqlite:////nowhere/mlflow.db")


def test_pictures_are_those_of_their_ids(small_data: PreparedData):
    album = album_of(run_on(small_data.path, data_digest=small_data.digest))
    for split, find in (("index", album.index), ("query", album.query)):
        stored = StoredPictures(small_data, split)
        for place in (0, len(stored) - 1):
            expected = picture(stored, place)
            np.testing.assert_array_equal(find(expected.id), expected.pixels)
    assert album.index("unknown") is None
    query = picture(StoredPictures(small_data, "query"), 0).id
    right = album.right(query)
    assert right
    assert all(album.index(name) is not None for name in right)
    assert album.right("unknown") == frozenset()


def test_ids_come_from_descriptors_where_they_are_stored(small_data: PreparedData, tmp_path: Path, monkeypatch):
    names = {split: [f"{split}{n}" for n in range(small_data.images(split))] for split in ("index", "query")}
    for split, ids in names.items():
        (tmp_path / f"{split}_ids.txt").write_text("".join(f"{name}\n" for name in ids))
    monkeypatch.setattr("glr.tracking.history.PastRun.stored", lambda _, name: tmp_path / Path(name).name)
    album = album_of(run_on(small_data.path))
    assert album.query("query0") is not None
    (tmp_path / "query_ids.txt").write_text("one\n")
    with pytest.raises(GlrError, match="are not those of"):
        album_of(run_on(small_data.path))


@pytest.mark.parametrize("path", ["null", "gs://bucket/set"])
def test_a_set_that_is_elsewhere_is_refused(path: str):
    with pytest.raises(GlrError, match=r"are not on this machine$"):
        album_of(run_on(path))


def test_a_set_that_has_changed_is_refused(small_data: PreparedData):
    with pytest.raises(GlrError, match="has changed since"):
        album_of(run_on(small_data.path, data_digest="another"))


def test_a_damaged_image_is_left_out(small_data: PreparedData, tmp_path: Path):
    folder = Path(shutil.copytree(small_data.path, tmp_path / "set"))
    album = album_of(run_on(folder))
    first = small_data.shards["query"][0].file
    content = bytearray((folder / first).read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    (folder / first).write_bytes(content)
    names = StoredPictures(small_data, "query").ids()
    assert None in [album.query(name) for name in names]
