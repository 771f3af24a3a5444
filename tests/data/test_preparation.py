"""Prepared sets: what goes in comes out, checked; and nothing half-written whatever goes wrong."""

import csv
import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from glr.data.preparation import jpeg, prepare
from glr.data.prepared import PreparedData
from glr.data.source import Listing, Photo
from glr.errors import GlrError
from tests.conftest import folder_source, no_file_beyond


class Listed:
    """A source that holds what it is given."""

    def __init__(self, listing: Listing):
        self._listing = listing

    def listing(self) -> Listing:
        return self._listing


def listing_of(folder: Path, **photos: list[tuple[str, str | None]]) -> Listing:
    paths = {split: [Photo(i, folder / f"{i}.jpg", name) for i, name in items] for split, items in photos.items()}
    return Listing(paths, [("q", "i", "Public"), ("r", "i", "Private")], [("q", "5", "Public"), ("r", "5", "Private")])


@pytest.fixture
def few(tmp_path: Path) -> Listing:
    for name in "abciqr":
        PIL.Image.fromarray(np.full((8, 9, 3), ord(name), np.uint8)).save(tmp_path / f"{name}.jpg")
    return listing_of(
        tmp_path, train=[("a", "20"), ("b", "3"), ("c", "20")], index=[("i", "5")], query=[("q", None), ("r", None)]
    )


def records(data: PreparedData, split: str) -> dict[str, tuple[bytes, int]]:
    found = {}
    for record in tf.data.TFRecordDataset(data.files(split)).as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        image_id = features["image/id"].bytes_list.value[0].decode()
        label = features["image/class/label"].int64_list.value[0]
        found[image_id] = (features["image/encoded"].bytes_list.value[0], label)
    return found


def test_everything_arrives(small_data: PreparedData, class_folders: Path):
    assert small_data.classes == 9
    assert {split: small_data.images(split) for split in small_data.shards} == {"train": 72, "index": 18, "query": 6}
    with (small_data.path / "relabeling.csv").open() as file:
        names = {int(row["new_label"]): row["old_label"] for row in csv.DictReader(file)}
    assert sorted(names) == list(range(9))
    train = records(small_data, "train")
    assert len(train) == 72
    for image_id, (encoded, label) in train.items():
        assert encoded == (class_folders / image_id).read_bytes()  # byte for byte
        assert image_id.startswith(f"{names[label]}/")
    assert {label for _, label in records(small_data, "query").values()} == {-1}
    assert set(small_data.index_classes) == set(records(small_data, "index"))
    assert all(image_id.startswith(f"{name}/") for image_id, name in small_data.index_classes.items())


def test_shards_are_named_with_their_counts_and_mixed(small_data: PreparedData):
    names = [shard.file for shard in small_data.shards["train"]]
    assert names == [f"train-{i:05d}-of-00003-24.tfrec" for i in range(3)]
    for file in small_data.files("train"):
        labels = [
            tf.train.Example.FromString(r).features.feature["image/class/label"].int64_list.value[0]
            for r in tf.data.TFRecordDataset(file).as_numpy_iterator()
        ]
        assert len(set(labels)) >= 6  # not one class behind the other


def test_numeric_classes_are_numbered_in_their_order(few: Listing, tmp_path: Path):
    data = prepare(Listed(few), tmp_path / "out", settings={})
    assert (data.path / "relabeling.csv").read_text() == "new_label,old_label\n0,3\n1,20\n"
    assert {i: label for i, (_, label) in records(data, "train").items()} == {"a": 1, "b": 0, "c": 1}


def test_workers_and_repetition_write_the_same_bytes(class_folders: Path, small_data: PreparedData, tmp_path: Path):
    settings = {"path": str(class_folders), "seed": 3}
    again = prepare(folder_source(class_folders), tmp_path / "out", settings=settings, shard_images=25, workers=2)
    files = sorted(p.name for p in small_data.path.iterdir())
    assert files == sorted(p.name for p in again.path.iterdir())
    assert all((again.path / name).read_bytes() == (small_data.path / name).read_bytes() for name in files)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "1"])
def test_what_is_no_rgb_jpeg_is_converted(tmp_path: Path, mode: str):
    file = tmp_path / "image.jpg"
    image = PIL.Image.fromarray(np.full((20, 10, 3), 200, np.uint8)).convert(mode)
    image.save(file, "JPEG" if mode in {"L", "CMYK"} else "PNG")
    encoded, height, width = jpeg(file)
    assert (height, width) == (20, 10)
    decoded = tf.io.decode_jpeg(encoded).numpy()
    assert decoded.shape == (20, 10, 3)
    # One bit per pixel is dithered: half-tones come back as black and white.
    assert decoded.mean() == pytest.approx(200, abs=25 if mode == "1" else 4)


def broken(kind: str, file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes({"empty": b"", "cut off": content[: len(content) // 2], "text": b"hello"}[kind])


@pytest.mark.parametrize("kind", ["empty", "cut off", "text"])
def test_a_bad_image_is_named_and_nothing_written(few: Listing, tmp_path: Path, kind: str):
    broken(kind, tmp_path / "b.jpg")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(GlrError, match=r"b\.jpg cannot be decoded .*on_bad_image=skip"):
        prepare(Listed(few), tmp_path / "out", settings={})
    assert sorted(tmp_path.iterdir()) == before


def test_a_bad_image_is_skipped_and_listed_on_request(few: Listing, tmp_path: Path):
    broken("cut off", tmp_path / "c.jpg")
    broken("text", tmp_path / "r.jpg")
    few.retrieval[0] = ("q", "i", "Private")
    few.recognition[0] = ("q", "5", "Private")
    with pytest.raises(GlrError, match="no Public query"):  # its only Public query is the bad one now
        prepare(Listed(few), tmp_path / "out", settings={}, skip_bad=True)
    (tmp_path / "r.jpg").write_bytes((tmp_path / "q.jpg").read_bytes())
    few.retrieval[1] = ("r", "i", "Public")
    few.recognition[1] = ("r", "5", "Public")
    data = prepare(Listed(few), tmp_path / "out", settings={}, skip_bad=True)
    assert set(records(data, "train")) == {"a", "b"}
    assert data.shards["train"][0].file.endswith("-2.tfrec")
    with (data.path / "bad_images.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["c"]
    assert "c.jpg" in rows[0]["file"]


@pytest.mark.parametrize("split", ["train", "index", "query"])
def test_an_empty_split(few: Listing, tmp_path: Path, split: str):
    few.photos[split].clear()
    with pytest.raises(GlrError, match=f"the {split} split of .* is empty"):
        prepare(Listed(few), tmp_path / "out", settings={"path": "here"})
    assert not (tmp_path / "out").exists()


def test_solutions_that_name_unknown_images(few: Listing, tmp_path: Path):
    few.retrieval[0] = ("q", "i nowhere", "Public")
    with pytest.raises(GlrError, match="a solution names the index image nowhere"):
        prepare(Listed(few), tmp_path / "out", settings={})
    few.retrieval[0] = ("nobody", "i", "Public")
    with pytest.raises(GlrError, match="a solution names the query image nobody"):
        prepare(Listed(few), tmp_path / "out", settings={})


def test_a_train_image_without_class(few: Listing, tmp_path: Path):
    few.photos["train"][1] = Photo("b", tmp_path / "b.jpg", None)
    with pytest.raises(GlrError, match="the train image b has no class"):
        prepare(Listed(few), tmp_path / "out", settings={})


def test_what_exists_is_not_overwritten(few: Listing, tmp_path: Path):
    (tmp_path / "out").mkdir()
    with pytest.raises(GlrError, match="out exists already"):
        prepare(Listed(few), tmp_path / "out", settings={})


def test_a_full_disk_leaves_nothing(few: Listing, tmp_path: Path):
    with no_file_beyond(1000), pytest.raises(GlrError, match="out: File too large; nothing was written"):
        prepare(Listed(few), tmp_path / "out", settings={})
    assert not [p for p in tmp_path.iterdir() if "out" in p.name]


def test_damage_is_noticed_on_opening(few: Listing, tmp_path: Path):
    data = prepare(Listed(few), tmp_path / "out", settings={})
    file = Path(data.files("train")[0])
    whole = file.read_bytes()
    file.write_bytes(whole[:-5])
    with pytest.raises(GlrError, match=r"train-00000-of-00001-3\.tfrec has [\d,]+ bytes, the manifest says"):
        PreparedData(data.path)
    file.write_bytes(whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])
    with pytest.raises(GlrError, match=r"train-00000-of-00001-3\.tfrec is damaged"):
        PreparedData(data.path)
    file.unlink()
    with pytest.raises(GlrError, match=r"train-00000-of-00001-3\.tfrec is missing"):
        PreparedData(data.path)
    (data.path / "manifest.json").write_text("{}")
    with pytest.raises(GlrError, match=r"manifest\.json cannot be read"):
        PreparedData(data.path)
    with pytest.raises(GlrError, match="holds no prepared data set"):
        PreparedData(tmp_path)


def test_another_source_is_refused(small_data: PreparedData):
    small_data.check_source({"seed": 3, "path": None})
    with pytest.raises(GlrError, match=r"was prepared with data\.source\.seed=3, this run says 4"):
        small_data.check_source({"seed": 4})


def test_the_manifest_is_plain_json(small_data: PreparedData):
    manifest = json.loads((small_data.path / "manifest.json").read_text())
    assert manifest["classes"] == 9
    assert manifest["source"]["seed"] == 3
