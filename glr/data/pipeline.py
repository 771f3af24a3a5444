"""Input pipelines: a prepared data set's images as batches for training, and for describing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from glr.data import tfrecord
from glr.data.geometry import warp
from glr.data.prepared import PreparedData
from glr.errors import GlrError

_FEATURES = {
    "image/encoded": tf.io.FixedLenFeature([], tf.string),
    "image/id": tf.io.FixedLenFeature([], tf.string),
    "image/class/label": tf.io.FixedLenFeature([], tf.int64),
}


def train_batches(
    data: PreparedData,
    augment: Any,
    *,
    image_size: int,
    batch_size: int,
    epochs: int,
    seed: int,
    shuffle_buffer: int,
    parallelism: int,
) -> tf.data.Dataset:
    """The train split for `epochs` epochs, each in an order of its own; an epoch's incomplete last batch is dropped.

    An image's augmentation is drawn from (seed, epoch, position in the epoch).

    Returns:
        A dataset of (images uint8 [B, S, S, 3], labels int32 [B], colour changes float32 [B, 3, 4]).

    Raises:
        GlrError: the split has fewer images than a batch.
    """
    if data.images("train") < batch_size:
        raise GlrError(
            f"train.batch_size={batch_size}, but {data.path} has only {data.images('train')} train images; "
            "lower train.batch_size"
        )
    files = tf.constant(data.files("train"))

    def augmented(image: np.ndarray, epoch: np.ndarray, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, int(epoch), int(position)])))
        change = augment.draw(random)
        return warp(image, change.geometry, image_size), change.colour.astype(np.float32)

    def example(epoch: tf.Tensor, position: tf.Tensor, record: tf.Tensor) -> tuple[tf.Tensor, ...]:
        features = tf.io.parse_single_example(record, _FEATURES)
        label = features["image/class/label"]
        in_range = tf.logical_and(label >= 0, label < data.classes)
        message = ["label outside the classes: image", features["image/id"], "has", label, "of", data.classes]
        with tf.control_dependencies([tf.debugging.Assert(in_range, message)]):
            image = tf.io.decode_jpeg(features["image/encoded"], channels=3)
        image, colour = tf.numpy_function(augmented, [image, epoch, position], (tf.uint8, tf.float32), stateful=False)
        image = tf.ensure_shape(image, (image_size, image_size, 3))
        return image, tf.cast(label, tf.int32), tf.ensure_shape(colour, (3, 4))

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.index_shuffle  # a permutation by formula: the same for every restart
        shards = tf.data.Dataset.range(len(data.files("train")))
        shards = shards.map(lambda i: files[order(i, [seed, tf.cast(epoch, tf.int32)], len(data.files("train")) - 1)])
        records = shards.interleave(tf.data.TFRecordDataset, cycle_length=4, num_parallel_calls=4, deterministic=True)
        records = records.shuffle(shuffle_buffer, seed=seed + epoch, reshuffle_each_iteration=False)  # pyright: ignore[reportArgumentType]
        images = records.enumerate().map(
            lambda position, record: example(epoch, position, record), parallelism, deterministic=True
        )
        return images.batch(batch_size, drop_remainder=True)

    batches = tf.data.Dataset.range(epochs).flat_map(one_epoch).prefetch(4)
    return batches.with_options(_options(parallelism))


def image_batches(
    data: PreparedData, split: str, *, image_size: int, batch_size: int, parallelism: int
) -> Iterator[tuple[list[str], np.ndarray]]:
    """A split's images in their stored order, letterboxed: (ids, uint8 [B, S, S, 3]); the last batch may be smaller."""

    def example(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        features = tf.io.parse_single_example(record, _FEATURES)
        return features["image/id"], letterboxed(tf.io.decode_jpeg(features["image/encoded"], channels=3), image_size)

    images = tf.data.TFRecordDataset(data.files(split)).map(example, parallelism, deterministic=True)
    batches = images.batch(batch_size).prefetch(2).with_options(_options(parallelism))
    for ids, pixels in batches.as_numpy_iterator():  # pyright: ignore[reportGeneralTypeIssues]
        yield [image_id.decode() for image_id in ids], pixels


def letterboxed(image: tf.Tensor, size: int) -> tf.Tensor:
    """Fit an image uint8 [H, W, 3] into a frame uint8 [S, S, 3], bilinear, with black bands where it is not square."""
    resized = tf.image.resize_with_pad(image, size, size)
    return tf.cast(tf.round(resized), tf.uint8)


def explain(data: PreparedData, split: str, error: tf.errors.OpError) -> GlrError:
    """What broke a split's pipeline: the shard, the byte and the image, found by reading the split again."""
    for file in data.files(split):
        try:
            for offset, record in tfrecord.read(Path(file)):
                features = tf.train.Example.FromString(record).features.feature
                where = f"{file}: the record at byte {offset}"
                if any(name not in features for name in _FEATURES):
                    return GlrError(f"{where} has no {', '.join(name for name in _FEATURES if name not in features)}")
                image_id = features["image/id"].bytes_list.value[0].decode()
                label = features["image/class/label"].int64_list.value[0]
                if split == "train" and not 0 <= label < data.classes:
                    return GlrError(
                        f"{where} (image {image_id}) has the label {label}, outside the {data.classes} classes of the "
                        "manifest; prepare the data set again"
                    )
                try:
                    tf.io.decode_jpeg(features["image/encoded"].bytes_list.value[0], channels=3)
                except tf.errors.InvalidArgumentError:
                    return GlrError(f"{where} (image {image_id}) is no JPEG that can be decoded; prepare the set again")
        except (GlrError, OSError) as found:
            return GlrError(str(found))
    return GlrError(f"reading the {split} split of {data.path} failed: {error.message.splitlines()[0]}")


def _options(parallelism: int) -> tf.data.Options:
    options = tf.data.Options()
    # With autotune on, dropping an iterator waits for its thread, up to a minute at the end of every epoch.
    options.autotune.enabled = False
    options.threading.private_threadpool_size = parallelism
    return options
