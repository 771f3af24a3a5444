"""A small source whose photos tests replace, and what a prepared set holds."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from glr.data.catalog import Catalog, Photo
from glr.data.preparation import Options, prepare
from glr.data.prepared import PreparedData
from tests.conftest import folder_source
from tests.data.records import Records


@dataclass
class Listed:
    """A source that holds what it is given: (id, class) of each split's photos, which lie in `folder`."""

    folder: Path
    photos: dict[str, list[tuple[str, str | None]]]
    retrieval: list[tuple[str, str, str]] = field(default_factory=list)
    recognition: list[tuple[str, str, str]] = field(default_factory=list)

    def fill(self, catalog: Catalog) -> None:
        for split, photos in self.photos.items():
            catalog.add(split, (Photo(i, str(self.folder / f"{i}.jpg"), name, "list") for i, name in photos))
        catalog.answer("retrieval", self.retrieval)
        catalog.answer("recognition", self.recognition)


@pytest.fixture
def few(tmp_path: Path) -> Listed:
    for name in "abciqr":
        PIL.Image.fromarray(np.full((8, 9, 3), ord(name), np.uint8)).save(tmp_path / f"{name}.jpg")
    photos = {
        "train": [("a", "20"), ("b", "3"), ("c", "20")],
        "index": [("i", "5")],
        "query": [("q", None), ("r", None)],
    }
    retrieval = [("q", "i", "Public"), ("r", "i", "Private")]
    return Listed(tmp_path, photos, retrieval, [("q", "5", "Public"), ("r", "5", "Private")])


@pytest.fixture(scope="session")
def blocks(class_folders: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """72 train images in 3 shards of blocks of 5, so that there are windows of several blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("glr.data.preparation.BLOCK", 5)
        target = tmp_path_factory.mktemp("blocks") / "data"
        return prepare(
            folder_source(class_folders), target, Options(shard_images=25, validation_share=0.1), settings={}
        )


def records(data: PreparedData, split: str) -> dict[str, tuple[bytes, int]]:
    by_split = {}
    for record in tf.data.TFRecordDataset(data.files(split)).as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        image_id = features["image/id"].bytes_list.value[0].decode()
        label = features["image/class/label"].int64_list.value[0]
        by_split[image_id] = (features["image/encoded"].bytes_list.value[0], label)
    return by_split


def contents(folder: str | Path) -> dict[str, str]:
    """A checksum of each file: megabytes that differ take minutes to be shown."""
    files = [p for p in Path(folder).rglob("*") if p.is_file()]
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def images(class_folders: Path) -> Records:
    """12 classes of 8 JPEGs in a mixed order; a class's label is 1,000 and its number."""
    listed = [
        (file.read_bytes(), f"{folder.name}/{file.name}", 1000 + int(folder.name[-2:]))
        for folder in sorted(class_folders.iterdir())
        for file in sorted(folder.iterdir())
    ]
    return [listed[n] for n in np.random.default_rng(0).permutation(len(listed))]
