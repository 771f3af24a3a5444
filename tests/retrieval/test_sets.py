"""Sets of images to evaluate on: prepared ones, pairs of folders, and revisited ones, each with its task."""

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from glr import storage
from glr.data.pictures import picture
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from glr.retrieval import sets
from glr.retrieval.landmarks import LandmarkTask
from glr.retrieval.metrics import check_score
from glr.retrieval.revisited import RevisitedTask
from glr.retrieval.sets import EvaluationSet


def test_a_prepared_set(small_data: PreparedData):
    opened = sets.prepared(small_data, neighbors=3)
    assert (opened.path, opened.digest) == (small_data.path, small_data.digest)
    assert (len(opened.index), len(opened.query)) == (18, 6)
    assert isinstance(opened.task, LandmarkTask)
    assert opened.task.neighbors == 3
    opened.task.check(*([picture(p, n).id for n in range(len(p))] for p in (opened.index, opened.query)))


@pytest.fixture
def folder(class_folders: Path, tmp_path: Path) -> Path:
    """Index images a and b, a in a folder below; the queries q and r; and their CSVs."""
    photos = sorted(class_folders.rglob("*.jpg"))
    for photo, name in zip(photos, ("index/b", "index/below/a", "queries/q", "queries/r"), strict=False):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, tmp_path / f"{name}.jpg")
    (tmp_path / "index/notes.txt").touch()
    (tmp_path / "retrieval.csv").write_text("id,images,Usage\nq,a,Public\nr,b,Private\n")
    (tmp_path / "recognition.csv").write_text("id,landmarks,Usage\nq,7,Public\nr,8,Private\n")
    (tmp_path / "classes.csv").write_text("id,landmark_id\na,7\nb,8\n")
    return tmp_path


def pair(folder: Path, **changed: str | None) -> EvaluationSet:
    files = {"retrieval_solution": "retrieval", "recognition_solution": "recognition", "index_classes": "classes"}
    settings = {name: f"{folder}/{file}.csv" for name, file in files.items()} | changed
    return sets.folder_pair(f"{folder}/index", f"{folder}/queries", neighbors=1, **settings)


def test_a_pair_of_folders(folder: Path):
    opened = pair(folder)
    assert [picture(opened.index, n).id for n in range(2)] == ["a", "b"]
    assert picture(opened.query, 0).id == "q"
    assert isinstance(opened.task, LandmarkTask)
    assert opened.task.index_classes == {"a": "7", "b": "8"}
    assert opened.task.answers() == {"Public": {"q": {"a"}}, "Private": {"r": {"b"}}}
    again = pair(folder)
    assert again.digest == opened.digest
    copy = shutil.copy2(folder / "index/b.jpg", folder / "copy")
    Path(copy).replace(folder / "index/b.jpg")
    assert pair(folder).digest == opened.digest  # a copy with its time, in another inode
    os.utime(folder / "index/b.jpg", (1, 1))
    touched = pair(folder).digest
    assert touched != opened.digest
    with (folder / "index/b.jpg").open("ab") as file:
        file.write(b"more")
    os.utime(folder / "index/b.jpg", (1, 1))
    assert pair(folder).digest != touched


def test_hidden_files_do_not_count(folder: Path):
    digest = pair(folder).digest
    (folder / "index/._b.jpg").touch()
    assert pair(folder).digest == digest


def test_an_image_that_changes_in_a_bucket_changes_the_digest(gcs_folder: str):
    def digest(content: bytes) -> str:
        for file in ("index/a.jpg", "queries/q.jpg"):
            storage.write(f"{gcs_folder}/{file}", content, overwrite=True)
        return sets.unsolved_pair(f"{gcs_folder}/index", f"{gcs_folder}/queries", None).digest

    assert digest(b"one") == digest(b"one") != digest(b"two")


def test_mistakes_in_folders(folder: Path):
    with pytest.raises(GlrError, match="recognition_solution needs index_classes=FILE, a CSV with the columns id,land"):
        pair(folder, index_classes=None)
    shutil.copy(folder / "index/b.jpg", folder / "index/below/b.png")
    with pytest.raises(GlrError, match=rf"^index={folder}/index: two images have the id b: .*index/b\.jpg and below/b"):
        pair(folder)
    shutil.rmtree(folder / "queries")
    (folder / "queries").mkdir()
    (folder / "index/below/b.png").unlink()
    with pytest.raises(GlrError, match=f"^queries={folder}/queries: it holds no images$"):
        pair(folder)


def test_revisited_queries_are_parts_of_images(folder: Path):
    entry = {"bbx": [3.0, 2.0, 30.0, 20.0], "easy": [1], "hard": [], "junk": []}
    truth = {"imlist": ["b", "c"], "qimlist": ["q"], "gnd": [entry]}
    (folder / "gnd.pkl").write_bytes(pickle.dumps(truth, 2))
    images = folder / "images"
    images.mkdir()
    for name, file in (("b", "index/b"), ("q", "queries/q")):
        shutil.copy(folder / f"{file}.jpg", images / f"{name}.jpg")
    with pytest.raises(
        GlrError, match=rf"^images of .*gnd\.pkl that are not in {images}: 1, the first of them c\.jpg$"
    ):
        sets.revisited(f"{folder}/gnd.pkl", str(images))
    shutil.copy(images / "b.jpg", images / "c.jpg")
    opened = sets.revisited(f"{folder}/gnd.pkl", str(images))
    assert isinstance(opened.task, RevisitedTask)
    assert [picture(opened.index, n).id for n in range(2)] == ["b", "c"]
    whole = picture(pair(folder).query, 0).pixels
    np.testing.assert_array_equal(picture(opened.query, 0).pixels, whole[2:20, 3:30])


def test_a_prepared_set_may_have_one_task(small_data: PreparedData, tmp_path: Path):
    shutil.copytree(small_data.path, tmp_path / "set")
    manifest = tmp_path / "set/manifest.json"
    content = json.loads(manifest.read_text())
    (tmp_path / "set/recognition_solution.csv").unlink()
    with pytest.raises(GlrError, match=r"recognition_solution\.csv: no such file"):
        sets.prepared(PreparedData(tmp_path / "set"), neighbors=1)
    manifest.write_text(json.dumps(content | {"tasks": ["retrieval"]}))
    data = PreparedData(tmp_path / "set")
    task = sets.prepared(data, neighbors=1).task
    assert isinstance(task, LandmarkTask)
    assert task.recognition is None
    assert task.retrieval
    check_score("map_at_100", data.tasks, "here")
    with pytest.raises(
        GlrError, match=r"evaluate\.score=gap: here has no recognition solution; give evaluate\.score=map"
    ):
        check_score("gap", data.tasks, "here")
