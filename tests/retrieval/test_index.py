"""An index holds each photo's own descriptor, describes none twice, and finds what a plain sort finds."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import PIL.Image
import pytest

import glr
from glr import storage
from glr.data import pictures
from glr.errors import GlrError
from glr.retrieval import descriptors, index_files, rows, segments
from glr.retrieval.index import Index
from glr.retrieval.rows import DamagedIndexError
from glr.retrieval.trained import TrainedModel
from tests.retrieval.conftest import photo, vector

NAMES = ["a.png", "b.png", "f.png", "g.png", "sub/c.png", "sub/d é.png", "sub/deep/e.png"]
SEEDS = dict(
    zip(["a.png", "b.png", "sub/c.png", "sub/d é.png", "sub/deep/e.png", "f.png", "g.png"], range(7), strict=True)
)

JPEG = 0.015  # files of other formats are described as JPEGs


def expected(names: list[str]) -> np.ndarray:
    return np.array([vector(SEEDS[name]) for name in names])


def touched(file: Path, seed: int) -> None:
    """Replace a photo; another time shows the change even if the clock is coarse."""
    photo(file, seed)
    os.utime(file, ns=(1, 1))


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
