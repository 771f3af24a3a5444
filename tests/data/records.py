"""TFRecords as others write them, and checks of the sets that are made of them."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from glr import storage
from glr.data.prepared import PreparedData
from glr.data.record_source import RecordSource
from glr.retrieval import sets

DELF = ("image/encoded", "image/id", "image/class/label")
KAGGLE = ("image", "image_id", "landmark_id")

Records = list[tuple[bytes, str | None, int | None]]


def write(file: Path, records: Records, names: tuple[str, str, str] = DELF, gzip: bool = False) -> None:
    """Write (image, id, class) as TensorFlow does; None is left out."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(file), options="GZIP" if gzip else None) as writer:
        for image, image_id, label in records:
            example = tf.train.Example()
            feature = example.features.feature
            feature["image/height"].int64_list.value.append(30)
            feature["score"].float_list.value.append(0.5)
            feature[names[0]].bytes_list.value.append(image)
            if image_id is not None:
                feature[names[1]].bytes_list.value.append(image_id.encode())
            if label is not None:
                feature[names[2]].int64_list.value.append(label)
            writer.write(example.SerializeToString())


def source(path: Path | str, **changes: object) -> RecordSource:
    names: dict = {"image_feature": None, "id_feature": None, "label_feature": None}
    settings = {"files": "*", "retrieval_classes": 0.25, "query_images": 0.25, "seed": 3}
    return RecordSource(path=str(path), **(names | settings | changes))


def read(data: PreparedData, split: str) -> dict[str, tuple[int, bytes]]:
    """All images of a split through the blocks: id -> class and encoded image."""
    images = {}
    for shard in data.shards[split]:
        for block in range(len(shard.blocks)):
            for number, (_, record) in enumerate(data.read_block(shard, block)):
                image = data.image(shard, block, number, record)
                assert image.id not in images
                images[image.id] = (image.label, bytes(image.encoded))
    return images


def table(data: PreparedData, name: str) -> csv.DictReader:
    return csv.DictReader(io.StringIO(storage.read(data.file(name)).decode()))


def check(data: PreparedData, images: Records, name: Callable[[str], str] = str) -> None:
    """Every image is in one split, with the right class; the solutions name a held-out class's images."""
    splits = {split: read(data, split) for split in data.shards}
    assert sorted(i for split in splits.values() for i in split) == sorted(name(i) for _, i, _ in images)
    classes = {int(row["old_label"]): int(row["new_label"]) for row in table(data, "relabeling.csv")}
    index = {row["id"]: int(row["landmark_id"]) for row in table(data, "index.csv")}
    assert (len(classes), len(set(index.values()) & set(classes))) == (9, 0)
    for encoded, image_id, label in images:
        split = next(split for split, members in splits.items() if name(image_id) in members)
        expected = classes[label] if split in ("train", "validation") else -1
        assert splits[split][name(image_id)] == (expected, encoded)
        assert index.get(name(image_id)) == (label if split == "index" else None)
    assert sets.prepared(data, neighbors=1).task
