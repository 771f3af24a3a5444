"""Batches hold the right images with the right labels, the same for the same seed; and errors find their record."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from glr.augment import Study, Unchanged
from glr.data.pipeline import explain, image_batches, letterboxed, train_batches
from glr.data.prepared import PreparedData
from glr.data.tfrecord import example, framed
from glr.errors import GlrError

STUDY = {"flip": 0.5, "brightness": 0.2, "hue": 0.2, "rotation": 15.0, "shear": 5.0, "zoom": 0.1, "shift": 0.04}
SETTINGS = {"image_size": 24, "batch_size": 10, "epochs": 2, "seed": 5, "shuffle_buffer": 16, "parallelism": 2}


def batches(data: PreparedData, augment: object, **changes: int) -> list[Any]:
    return list(train_batches(data, augment, **(SETTINGS | changes)).as_numpy_iterator())


def stored(data: PreparedData, split: str) -> list[tuple[str, np.ndarray, int]]:
    found = []
    for record in tf.data.TFRecordDataset(data.files(split)).as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        image = letterboxed(tf.io.decode_jpeg(features["image/encoded"].bytes_list.value[0]), 24).numpy()
        label = features["image/class/label"].int64_list.value[0]
        found.append((features["image/id"].bytes_list.value[0].decode(), image, label))
    return found


def test_every_image_once_an_epoch_with_its_own_label(small_data: PreparedData):
    originals = stored(small_data, "train")
    taken = batches(small_data, Unchanged(), batch_size=24)
    assert len(taken) == 6  # 72 images, 24 a batch, 2 epochs
    for epoch in (taken[:3], taken[3:]):
        seen = []
        for images, labels, colours in epoch:
            assert (images.dtype, images.shape, labels.dtype) == (np.uint8, (24, 24, 24, 3), np.int32)
            np.testing.assert_array_equal(colours, np.tile(np.eye(3, 4), (24, 1, 1)))
            for image, label in zip(images, labels, strict=True):
                distances = [np.abs(image.astype(int) - other).mean() for _, other, _ in originals]
                nearest = int(np.argmin(distances))
                assert distances[nearest] < 2
                assert originals[nearest][2] == label
                seen.append(nearest)
        assert sorted(seen) == list(range(72))


def test_same_seed_same_batches_and_each_epoch_another_order(small_data: PreparedData):
    one, two = (batches(small_data, Study(**STUDY), parallelism=p) for p in (1, 3))
    for first, second in zip(one, two, strict=True):
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)
    assert not np.array_equal(one[0][1], one[7][1])
    other = batches(small_data, Study(**STUDY), seed=6)
    assert not np.array_equal(one[0][1], other[0][1])


def test_augmentation_differs_between_images_and_epochs(small_data: PreparedData):
    colours = np.concatenate([batch[2] for batch in batches(small_data, Study(**STUDY))])
    assert len(np.unique(colours[:, 0, 3])) == 140


def test_a_last_incomplete_batch_is_dropped(small_data: PreparedData):
    assert len(batches(small_data, Unchanged())) == 14  # 72 // 10 a epoch
    with pytest.raises(GlrError, match=r"train\.batch_size=100, but .* has only 72 train images"):
        batches(small_data, Unchanged(), batch_size=100)


def test_image_batches_keep_the_stored_order_and_the_rest(small_data: PreparedData):
    originals = stored(small_data, "index")
    taken = list(image_batches(small_data, "index", image_size=24, batch_size=7, parallelism=2))
    assert [len(ids) for ids, _ in taken] == [7, 7, 4]
    assert [i for ids, _ in taken for i in ids] == [i for i, _, _ in originals]
    np.testing.assert_array_equal(np.concatenate([p for _, p in taken]), np.stack([image for _, image, _ in originals]))


@pytest.fixture
def own_data(small_data: PreparedData, tmp_path: Path) -> PreparedData:
    shutil.copytree(small_data.path, tmp_path / "data")
    return PreparedData(tmp_path / "data")


def explained(data: PreparedData) -> str:
    with pytest.raises(tf.errors.OpError) as raised:
        batches(data, Unchanged())
    return str(explain(data, "train", raised.value))


def test_a_cut_off_shard_is_named(own_data: PreparedData):
    file = Path(own_data.files("train")[1])
    file.write_bytes(file.read_bytes()[:-40])
    assert "train-00001-of-00003-24.tfrec: the record at byte" in explained(own_data)
    assert "cut off" in explained(own_data)


def test_a_label_outside_the_classes_is_named(own_data: PreparedData):
    file = Path(own_data.files("train")[2])
    encoded = tf.io.encode_jpeg(np.zeros((8, 8, 3), np.uint8)).numpy()
    file.write_bytes(framed(example(encoded, 8, 8, "odd", 9)))
    message = explained(own_data)
    assert (
        "train-00002-of-00003-24.tfrec: the record at byte 0 (image odd) has the label 9, outside the 9 classes"
        in message
    )


def test_a_record_that_is_no_jpeg_is_named(own_data: PreparedData):
    file = Path(own_data.files("train")[0])
    file.write_bytes(framed(example(b"no picture", 8, 8, "odd", 1)))
    assert "(image odd) is no JPEG that can be decoded" in explained(own_data)
