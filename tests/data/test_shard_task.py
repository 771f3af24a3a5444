"""A shard and its note: what is found finished, what is written again, and what is cleared away."""

from dataclasses import replace
from pathlib import Path

import PIL.Image
import pytest
import tensorflow as tf

from glr import storage
from glr.data.shard_task import ShardTask, clear, reports


@pytest.fixture
def task(tmp_path: Path) -> ShardTask:
    """Five images, in blocks of 2; the fourth is grey."""
    for number in range(5):
        mode = "L" if number == 3 else "RGB"
        PIL.Image.new(mode, (9, 8), 40 * number).save(tmp_path / f"{number}.jpg")
    folder = tmp_path / "shards"
    folder.mkdir()
    images = [(f"image {number}", str(tmp_path / f"{number}.jpg"), number % 2) for number in range(5)]
    return ShardTask(str(folder), "train-00000-of-00001", images, None, 255, True, 2)


def test_a_shard_is_what_tensorflow_reads(task: ShardTask):
    shard = task.write()
    file = Path(task.folder, "train-00000-of-00001-5.tfrec")
    assert (shard.file, shard.records, shard.size) == (file.name, 5, file.stat().st_size)
    assert shard.crc32c == storage.checksum(file)
    records = list(tf.data.TFRecordDataset(str(file)).as_numpy_iterator())
    examples = [tf.train.Example.FromString(record).features.feature for record in records]
    ids = [features["image/id"].bytes_list.value[0].decode() for features in examples]
    labels = [features["image/class/label"].int64_list.value[0] for features in examples]
    assert list(zip(ids, labels, strict=True)) == [(name, label) for name, _, label in task.images]
    lengths = [len(record) + 16 for record in records]  # a frame has 16 bytes more
    assert shard.blocks == [0, sum(lengths[:2]), sum(lengths[:4])]
    assert [tuple(row) for row in reports(task.folder)] == [("image 3", task.images[3][1], "converted", "Gray JPEG")]


def test_a_finished_shard_is_found_by_what_it_was_made_of(task: ShardTask):
    assert task.finished(storage.files(task.folder)) is None
    shard = task.write()
    assert task.finished(storage.files(task.folder)) == shard
    assert replace(task, check=False).finished(storage.files(task.folder)) == shard
    for other in (
        replace(task, max_side=8),
        replace(task, background=0),
        replace(task, images=task.images[:4]),
        replace(task, block=3),
    ):
        assert other.finished(storage.files(task.folder)) is None
    file = Path(task.folder, shard.file)
    file.write_bytes(file.read_bytes()[:-1])
    assert task.finished(storage.files(task.folder)) is None


def test_a_bad_image_is_skipped_and_tried_again(task: ShardTask):
    path = Path(task.images[1][1])
    good = path.read_bytes()
    path.write_bytes(b"")
    assert task.write().file == "train-00000-of-00001-4.tfrec"
    assert ("image 1", str(path), "skipped", "it is empty") in map(tuple, reports(task.folder))
    assert task.finished(storage.files(task.folder)) is None
    path.write_bytes(good)
    shard = task.write()
    assert task.finished(storage.files(task.folder)) == shard
    Path(task.folder, "relabeling.csv").touch()
    clear(task.folder, {shard.file})
    assert set(storage.files(task.folder)) == {shard.file, "relabeling.csv"}
