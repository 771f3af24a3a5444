"""An index holds each photo's own descriptor, describes none twice, and finds what a plain sort finds."""

import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import PIL.Image
import pytest

import glr
from glr import storage
from glr.errors import GlrError
from glr.retrieval import index_files
from glr.retrieval.index import Index
from glr.retrieval.trained import TrainedModel
from tests.retrieval.conftest import JPEG, NAMES, expected, photo, touched, vector


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("stored", [True, False])
def test_each_photo_has_its_own_descriptor(model: TrainedModel, photos: Path, tmp_path: Path, dtype: str, stored: bool):
    index = Index.build(model, photos, tmp_path / "photos.index" if stored else None, dtype=dtype)
    assert index.ids == NAMES
    assert index.paths == [str(photos / name) for name in NAMES]
    assert index.descriptors.dtype == dtype
    assert isinstance(index.descriptors, np.memmap) == stored
    np.testing.assert_allclose(index.descriptors, expected(NAMES), atol=JPEG)
    if stored:
        again = Index.open(tmp_path / "photos.index")
        assert again.ids == NAMES
        np.testing.assert_array_equal(again.descriptors, index.descriptors)
        names = {file.name.partition("-")[0] if file.is_dir() else file.name for file in index.path.iterdir()}
        assert names == {".lock", "glr-index.json", "rows"}


def test_a_search_finds_what_a_sort_of_the_similarities_finds(model: TrainedModel, photos: Path):
    index = Index.build(model, photos)
    query = photo(photos.parent / "query.png", 3)
    similarities = expected(NAMES) @ vector(3)
    order = np.argsort(-similarities)[:4]
    hits = index.search(query, k=4)
    assert hits.ids == [NAMES[place] for place in order]
    assert hits.ids[0] == "sub/d é.png"
    assert hits.scores == pytest.approx(similarities[order].tolist(), abs=JPEG)
    assert hits.paths == [str(photos / name) for name in hits.ids]
    assert hits.query == str(query)
    pixels = np.asarray(PIL.Image.open(query))
    for other in (PIL.Image.open(query), pixels, vector(3), vector(3).astype(np.float16)):
        assert index.search(other, k=4).ids == hits.ids
    several = index.search([query, pixels, PIL.Image.open(photos / "a.png")], k=99)
    assert [one.query for one in several] == [str(query), "query 1", "query 2"]
    assert [len(one) for one in several] == [7, 7, 7]
    assert [one.ids[0] for one in several] == ["sub/d é.png", "sub/d é.png", "a.png"]
    assert [one.ids[0] for one in index.search(expected(NAMES), k=1)] == NAMES
    assert [one.ids[0] for one in index.search(np.array([pixels, pixels]), k=1)] == ["sub/d é.png"] * 2


@pytest.mark.parametrize("stored", [True, False])
def test_an_update_describes_only_what_is_new_or_changed(
    model: TrainedModel, photos: Path, tmp_path: Path, stored: bool
):
    place = tmp_path / "photos.index" if stored else None
    index = Index.build(model, photos, place)
    described = model.describer.described
    assert sorted(described) == NAMES
    described.clear()
    assert index.update() == (0, 0, 7, {})
    assert described == []
    photo(photos / "sub/new.png", 20)
    touched(photos / "b.png", 21)
    (photos / "a.png").unlink()
    (photos / "sub/c.png").rename(photos / "sub/moved.png")
    index = Index.open(place, model, photos) if place else index
    assert index.update() == (3, 2, 4, {})
    assert sorted(described) == ["b.png", "sub/moved.png", "sub/new.png"]
    fresh = Index.build(model, photos)
    assert index.ids == fresh.ids
    np.testing.assert_array_equal(index.descriptors, fresh.descriptors)
    if place:
        np.testing.assert_array_equal(Index.open(place).descriptors, fresh.descriptors)
        assert len(list(place.glob("rows-*"))) == 1


@pytest.mark.parametrize("stored", [True, False])
def test_added_images_stay(model: TrainedModel, photos: Path, tmp_path: Path, stored: bool):
    index = Index.build(model, photos, tmp_path / "photos.index" if stored else None)
    extra = photo(tmp_path / "extra.png", 40)
    index.add([extra])
    index.add([np.asarray(PIL.Image.open(photo(tmp_path / "x.png", 41)))], ids=["array"])
    assert index.ids == [*NAMES, str(extra), "array"]
    assert index.paths[-2:] == [str(extra), ""]
    assert index.search(vector(40), k=1).paths == [str(extra)]
    assert index.search(vector(41), k=1).ids == ["array"]
    (photos / "a.png").unlink()
    index.update()
    assert index.ids == [*NAMES[1:], str(extra), "array"]
    if stored:
        again = Index.open(index.path, folder=photos)
        np.testing.assert_allclose(again.descriptors[-1], vector(41), rtol=1e-6)  # no file
        assert again.paths[-2:] == ["", ""]
    with pytest.raises(GlrError, match="the id array appears twice"):
        index.add([extra], ids=["array"])
    with pytest.raises(GlrError, match="give ids="):
        index.add([PIL.Image.open(extra)])
    with pytest.raises(GlrError, match="1 images have 2 ids"):
        index.add([extra], ids=["p", "q"])
    with pytest.raises(GlrError, match="put a single image into a list"):
        index.add(str(extra))
    with pytest.raises(GlrError, match="images is a int; expected images"):
        index.add(5, ids=["five"])
    index.add((file for file in [photo(tmp_path / "last.png", 42)]), ids=iter(["last"]))
    assert index.search(vector(42), k=1).ids == ["last"]


def test_a_saved_copy_is_the_same(model: TrainedModel, photos: Path, tmp_path: Path):
    index = Index.build(model, photos)
    saved = index.save(tmp_path / "copy.index")
    assert saved.ids == index.ids
    np.testing.assert_array_equal(saved.descriptors, index.descriptors)
    assert saved.update() == (0, 0, 7, {})
    with pytest.raises(GlrError, match=r"copy\.index exists already"):
        index.save(tmp_path / "copy.index")


def test_refusals(model: TrainedModel, photos: Path, tmp_path: Path):
    index = Index.build(model, photos, place := tmp_path / "photos.index")
    other = TrainedModel("other", "", None, model.describer, ["other", 1])
    refused = [
        (
            lambda: Index.open(place, other),
            "was described by colours, not by other with these settings; build an index",
        ),
        (lambda: Index.build(model, photos, place), "holds an index already; open it with Index.open and update it"),
        (
            lambda: Index.open_or_begin(model, tmp_path, place),
            rf"holds an index of {photos} \(float32\); give another path",
        ),
        (lambda: Index.open(tmp_path / "none"), r"holds no index \(it has no glr-index\.json\)"),
        (lambda: Index.open("gs://bucket/index"), "an index is kept on this machine's disk"),
        (lambda: Index.open(place).search(photos / "a.png"), "was opened without its model"),
        (lambda: Index.open(place).search(np.zeros(5)), "query descriptors are 1 x 5, those of the index have 12"),
        (lambda: Index.open(place).search(np.full(12, np.nan)), "NaN or infinity"),
        (lambda: index.search(photos / "a.png", k=0), "k=0: expected a whole number, at least 1"),
        (lambda: index.search(photos / "a.png", k=2.5), r"k=2\.5: expected a whole number, at least 1"),
        (lambda: index.search(None), "queries is a NoneType; expected images"),
        (lambda: Index.open(place, model).update(), "was opened without its folder of photos"),
        (lambda: index.search("no.jpg"), r"no\.jpg: there is no such file"),
        (lambda: Index.build(model, tmp_path / "nowhere"), "nowhere: there is no such folder"),
        (lambda: Index.build(model, photos, dtype="int8"), "dtype=int8: expected float32 or float16"),
    ]
    for call, message in refused:
        with pytest.raises(GlrError, match=message):
            call()
    (tmp_path / "empty").mkdir()
    with pytest.raises(GlrError, match="empty holds no images"):
        Index.build(model, tmp_path / "empty", tmp_path / "new.index")
    assert not (tmp_path / "new.index").exists()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_descriptors_cannot_be_changed_or_be_nan(
    model: TrainedModel, photos: Path, monkeypatch: pytest.MonkeyPatch, dtype: str
):
    index = Index.build(model, photos, dtype=dtype)
    with pytest.raises(ValueError, match="read-only"):
        index.descriptors[0] = 0
    monkeypatch.setattr(TrainedModel, "describe", lambda *_: np.full((1, 12), np.nan, np.float32))
    with pytest.raises(GlrError, match="image x: its descriptor holds NaN"):
        index.add([np.zeros((4, 4, 3), np.uint8)], ids=["x"])
    assert index.ids == NAMES


def test_faiss_searches_the_memory_of_the_index(model: TrainedModel, photos: Path, tmp_path: Path):
    index = Index.build(model, photos, tmp_path / "photos.index")
    flat = index.to_faiss()
    assert flat.codes.data().__int__() == index.descriptors.ctypes.data
    scores, places = flat.search(index.descriptors, 3)
    hits = index.search(np.array(index.descriptors), k=3)
    assert [[index.ids[place] for place in row] for row in places] == [one.ids for one in hits]
    np.testing.assert_allclose(scores, [one.scores for one in hits], rtol=1e-5)
    with pytest.raises(GlrError, match=r"uses the memory of a glr\.Index"):
        flat.add(index.descriptors)
    del index
    faiss.write_index(flat, str(tmp_path / "file.faiss"))
    assert faiss.read_index(str(tmp_path / "file.faiss")).ntotal == 7


@pytest.mark.slow
def test_opening_and_searching_descriptors_needs_no_tensorflow(model: TrainedModel, photos: Path, tmp_path: Path):
    Index.build(model, photos, tmp_path / "photos.index")
    code = (
        "import sys, numpy, glr; index = glr.Index.open(sys.argv[1]); print(index.search(index.descriptors, 1)[2].ids)"
    )
    code += "; assert not {'tensorflow', 'keras', 'pandas'} & sys.modules.keys()"
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "photos.index"], capture_output=True, text=True)
    assert done.stdout == "['f.png']\n", done.stderr
    assert glr.Index is Index


def test_a_folder_in_a_bucket(model: TrainedModel, photos: Path, gcs_folder: str):
    for name in NAMES:
        storage.write(f"{gcs_folder}/{name}", (photos / name).read_bytes())
    index = Index.build(model, gcs_folder)
    np.testing.assert_allclose(index.descriptors, expected(NAMES), atol=JPEG)
    assert index.paths[0] == f"{gcs_folder}/a.png"
    storage.write(f"{gcs_folder}/a.png", (photos / "b.png").read_bytes(), overwrite=True)
    assert index.update() == (1, 0, 6, {})
    np.testing.assert_allclose(index.descriptors[0], vector(1), atol=JPEG)


def test_two_processes_that_update_see_each_others_work(model: TrainedModel, photos: Path, tmp_path: Path):
    place = tmp_path / "photos.index"
    Index.build(model, photos, place)
    first, second = Index.open(place, model, photos), Index.open(place, model, photos)
    photo(photos / "new.png", 91)
    first.update()
    model.describer.described.clear()
    assert second.update() == (0, 0, 8, {})
    assert model.describer.described == []
    assert second.ids == first.ids
    assert index_files.read(place)[0] == second.settings
