"""Batches hold the right images with the right labels, the same wherever a run begins; errors name their record."""

import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
import tensorflow as tf

from glr.data.augment import Study, Unchanged
from glr.data.geometry import letterbox
from glr.data.pipeline import Batch, TrainPipeline
from glr.data.prepared import PreparedData
from glr.data.tfrecord import example, framed
from glr.errors import GlrError

STUDY = {"flip": 0.5, "brightness": 0.2, "hue": 0.2, "rotation": 15.0, "shear": 5.0, "zoom": 0.1, "shift": 0.04}
SETTINGS = {"image_size": 24, "batch_size": 10, "seed": 5, "shuffle_buffer": 16, "parallelism": 2}


def made(data: PreparedData, augment: object = None, **changes: object) -> TrainPipeline:
    return TrainPipeline(data, augment or Study(**STUDY), **(SETTINGS | changes))


def batches(data: PreparedData, augment: object = None, last: int = 14, **changes: object) -> list[Batch]:
    return list(made(data, augment, **changes).batches(0, last))


def same(one: list[Batch], other: list[Batch]) -> None:
    assert len(one) == len(other) > 0
    for first, second in zip(one, other, strict=True):
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)


def stored(data: PreparedData, split: str) -> list[tuple[str, np.ndarray, int]]:
    images = []
    for record in tf.data.TFRecordDataset(data.files(split)).as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        frame = np.empty((24, 24, 3), np.uint8)
        letterbox(simplejpeg.decode_jpeg(features["image/encoded"].bytes_list.value[0], fastdct=True), frame)
        label = features["image/class/label"].int64_list.value[0]
        images.append((features["image/id"].bytes_list.value[0].decode(), frame, label))
    return images


def test_every_image_once_an_epoch_with_its_own_label(small_data: PreparedData):
    originals = stored(small_data, "train")
    taken = batches(small_data, Unchanged(), batch_size=24, last=6)
    for epoch in (taken[:3], taken[3:]):
        seen = []
        for images, labels, colours in epoch:
            assert (images.dtype, images.shape, labels.dtype) == (np.uint8, (24, 24, 24, 3), np.int32)
            np.testing.assert_array_equal(colours, np.tile(np.eye(3, 4), (24, 1, 1)))
            for image, label in zip(images, labels, strict=True):
                distances = [np.abs(image.astype(int) - other).mean() for _, other, _ in originals]
                nearest = int(np.argmin(distances))
                assert distances[nearest] < 3
                assert originals[nearest][2] == label
                seen.append(nearest)
        assert sorted(seen) == list(range(72))


BALANCED = {"images_per_class": 5}


def test_balanced_batches_hold_some_images_of_each_of_some_classes(own_data: PreparedData):
    originals = stored(own_data, "train")
    for images, labels, _ in batches(own_data, Unchanged(), last=9, **BALANCED):
        assert sorted(np.unique(labels, return_counts=True)[1]) == [5, 5]
        nearest = []
        for image, label in zip(images, labels, strict=True):
            distances = [np.abs(image.astype(int) - other).mean() for _, other, _ in originals]
            nearest.append(int(np.argmin(distances)))
            assert distances[nearest[-1]] < 3
            assert originals[nearest[-1]][2] == label
        assert len(set(nearest)) == 10


@pytest.mark.parametrize("first", [1, 7, 13])
def test_balanced_batches_go_on_after_any_step_for_any_part_and_number_of_threads(own_data: PreparedData, first: int):
    whole = batches(own_data, **BALANCED)
    same(list(made(own_data, parallelism=3, **BALANCED).batches(first, 14)), whole[first:])
    parts = [list(made(own_data, **BALANCED).batches(first, 14, range(r, r + 5))) for r in (0, 5)]
    same([Batch(*map(np.concatenate, zip(*step, strict=True))) for step in zip(*parts, strict=True)], whole[first:])


def test_balanced_batches_of_train_and_validation_together(blocks: PreparedData, tmp_path: Path):
    both = made(copied(blocks, tmp_path), splits=("train", "validation"), **BALANCED)
    assert both.steps_per_epoch == 7
    counts = [np.unique(batch.labels, return_counts=True)[1].tolist() for batch in both.batches(0, 7)]
    assert counts == [[5, 5]] * 7


def test_same_seed_same_batches_and_each_epoch_another_order(blocks: PreparedData):
    one, two = (batches(blocks, parallelism=p) for p in (1, 3))
    same(one, two)
    assert not np.array_equal(one[0].labels, one[6].labels)
    assert not np.array_equal(one[0].labels, batches(blocks, seed=6)[0].labels)


@pytest.mark.parametrize("first", [1, 6, 7, 13])
def test_resumed_at_any_step_it_goes_on_as_if_never_stopped(blocks: PreparedData, first: int):
    whole = batches(blocks)
    same(list(made(blocks).batches(first, 14)), whole[first:])


@pytest.mark.parametrize("hosts", [2, 5])
def test_each_hosts_part_is_a_part_of_the_same_batch(blocks: PreparedData, hosts: int):
    whole = batches(blocks)
    share = 10 // hosts
    parts = [list(made(blocks).batches(0, 14, range(h * share, (h + 1) * share))) for h in range(hosts)]
    same([Batch(*map(np.concatenate, zip(*step, strict=True))) for step in zip(*parts, strict=True)], whole)


def test_train_and_validation_together(blocks: PreparedData):
    both = made(blocks, splits=("train", "validation"))
    assert both.images == 72 == blocks.images("train") + blocks.images("validation")
    labels = np.concatenate([batch.labels for batch in both.batches(0, 7)])
    assert len(labels) == 70
    assert np.bincount(labels, minlength=9).min() >= 6  # each class has 8 images, and at most two are missing


def test_augmentation_differs_between_images_and_epochs(blocks: PreparedData):
    colours = np.concatenate([batch.colours for batch in batches(blocks)])
    assert len(np.unique(colours[:, 0, 3])) == 140


def test_a_last_incomplete_batch_is_dropped(small_data: PreparedData):
    assert made(small_data).steps_per_epoch == 7  # 72 // 10
    with pytest.raises(GlrError, match=r"train\.batch_size=100, but .* has only 72 train images"):
        made(small_data, batch_size=100)


def test_whoever_goes_away_leaves_no_thread_behind(blocks: PreparedData):
    before = set(threading.enumerate())  # other libraries' threads among them, which may end at any time
    stream = made(blocks).batches()
    next(stream)
    ours = set(threading.enumerate()) - before
    assert ours
    began = time.monotonic()
    stream.close()
    assert time.monotonic() - began < 0.1
    for thread in ours:
        thread.join(2)
    assert not any(thread.is_alive() for thread in ours)


@pytest.fixture
def own_data(small_data: PreparedData, tmp_path: Path) -> PreparedData:
    return copied(small_data, tmp_path)


def copied(data: PreparedData, folder: Path) -> PreparedData:
    shutil.copytree(data.path, folder / "data")
    return PreparedData(folder / "data")


def failing(data: PreparedData) -> str:
    with pytest.raises(GlrError) as raised:
        batches(data)
    return str(raised.value)


def rewritten(data: PreparedData, shard: int, label: int, encoded: bytes) -> None:
    """Give a shard's first record another label and image, with its checksums right."""
    file = Path(data.files("train")[shard])
    _, *others = data.read_block(data.shards["train"][shard], 0)
    content = framed(example(encoded, 8, 8, "odd", label)) + b"".join(framed(record) for _, record in others)
    file.write_bytes(content)
    data.shards["train"][shard] = data.shards["train"][shard].__class__(
        **{**vars(data.shards["train"][shard]), "size": len(content)}
    )


def test_a_label_outside_the_classes_is_named(own_data: PreparedData):
    rewritten(own_data, 2, 9, simplejpeg.encode_jpeg(np.zeros((8, 8, 3), np.uint8)))
    message = failing(own_data)
    assert "train-00002-of-00003-24.tfrec: the record at byte 0 (image odd) cannot be used" in message
    assert "it has the label 9 of 9 classes" in message


def test_a_record_that_is_no_jpeg_is_named(own_data: PreparedData):
    rewritten(own_data, 0, 1, b"no picture")
    message = failing(own_data)
    assert "train-00000-of-00003-24.tfrec: the record at byte 0 (image odd) cannot be used" in message
    assert "\n" not in message


def test_short_epochs_hold_the_first_steps_of_each(small_data: PreparedData):
    whole = batches(small_data)  # two epochs of 7 steps
    short = made(small_data).shortened(2, one_batch=False)
    assert short.steps_per_epoch == 2
    same(list(short.batches(0, 4)), [*whole[:2], *whole[7:9]])
    assert made(small_data).shortened(9, one_batch=False).steps_per_epoch == 7
    same(list(made(small_data).shortened(None, one_batch=False).batches(0, 14)), whole)


def test_one_batch_comes_again_and_again(small_data: PreparedData):
    first = batches(small_data, last=1)
    short = made(small_data).shortened(9, one_batch=True)  # more than the set has
    assert short.steps_per_epoch == 9
    same(list(short.batches(3, 20)), first * 17)
