"""The train pipeline: a prepared data set's images, augmented, in batches.

Threads decode and resample while the device computes; simplejpeg and OpenCV release the GIL. Unlike tf.data, this
pipeline computes every batch by a formula, and its errors name a damaged record's place.
"""

import copy
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from glr.data.balanced import Balanced
from glr.data.geometry import Warp
from glr.data.order import Order
from glr.data.prepared import PreparedData
from glr.data.randomness import uniforms
from glr.data.reading import Reader
from glr.data.threads import READERS, ahead, frames, spread, threads

_SINGLE = 32  # records read at once where each is read by itself


class Batch(NamedTuple):
    """Train images uint8 [B, S, S, 3], their labels int32 [B] and changes of colour float32 [B, 3, 4]."""

    images: np.ndarray
    labels: np.ndarray
    colours: np.ndarray


class TrainPipeline:
    """The train images in batches, shuffled or balanced by class; an epoch has as many batches as its images fill.

    A step's images and their augmentation depend only on the seed and the step, not on the number of threads, replicas
    or hosts, nor on where a run was resumed.

    Args:
        data: the prepared set.
        splits: its splits to train on.
        augment: has `draws` and `changes(uniforms)`, see `glr.data.augment`.
        image_size: S, pixels.
        batch_size: images per step over all replicas.
        seed: determines order and augmentation.
        shuffle_buffer: images shuffled together; memory holds twice as many encoded images.
        parallelism: threads that decode.
        images_per_class: None: each epoch has every image once, in a new order. K: each batch has K images of each of
            its classes (`glr.data.balanced`).

    Raises:
        GlrError: a split is missing, or the splits have fewer images than a batch.
    """

    def __init__(
        self,
        data: PreparedData,
        augment: Any,
        *,
        splits: Sequence[str] = ("train",),
        image_size: int,
        batch_size: int,
        seed: int,
        shuffle_buffer: int,
        parallelism: int,
        images_per_class: int | None = None,
    ):
        shards = data.train_shards(splits, batch_size)
        self.image_size = image_size
        self.batch_size = batch_size
        self.images = sum(shard.records for shard in shards)
        self.steps_per_epoch = self.images // batch_size
        self._data = data
        self._shards = shards
        self._augment = augment
        self._seed = seed
        self._parallelism = parallelism
        self._one_batch = False
        self._order = Order([shard.records for shard in shards], block=data.block, window=shuffle_buffer, seed=seed)
        self.balanced = None
        if images_per_class is not None:
            self.balanced = Balanced(data, splits, batch_size=batch_size, images_per_class=images_per_class, seed=seed)

    def shortened(self, steps: int | None, *, one_batch: bool) -> "TrainPipeline":
        """Return a copy for a debug run.

        Args:
            steps: the most steps of an epoch; None: as many as now.
            one_batch: every step, also beyond the images of an epoch, has the first batch with its augmentation.
        """
        short = copy.copy(self)
        short._one_batch = one_batch
        if steps is not None:
            short.steps_per_epoch = steps if one_batch else min(steps, self.steps_per_epoch)
        return short

    def batches(self, first: int = 0, last: int | None = None, rows: range | None = None) -> Iterator[Batch]:
        """Yield the batches from step `first` (counted from 0) up to but not including `last` (None: endless).

        Steps count over all epochs. Images before step `first` are neither read nor decoded.

        Args:
            first, last: steps.
            rows: the part of each global batch to yield; None: all.

        Raises:
            GlrError: a record is damaged; the message names its shard, offset and image.
        """
        rows = range(self.batch_size) if rows is None else rows
        own = threading.local()
        with threads(self._parallelism) as workers, threads(READERS if self.balanced is None else _SINGLE) as readers:
            if self.balanced is None:
                records = Reader(self._data, self._shards, self._order, readers, repeat=True).records
            else:
                records = partial(self.balanced.records, readers)

            def begin(step: int) -> Callable[[], Batch]:
                epoch, number = (0, 0) if self._one_batch else divmod(step, self.steps_per_epoch)
                position = number * self.batch_size + rows.start
                wanted = records(epoch, position, len(rows))
                changes = self._augment.changes(uniforms(self._seed, epoch, position, len(rows), self._augment.draws))
                batch = Batch(frames(len(rows), self.image_size), np.empty(len(rows), np.int32), changes.colour)

                def fill(row: int) -> None:
                    if not hasattr(own, "warp"):
                        own.warp = Warp(self.image_size)
                    with wanted[row].image() as image:
                        if not 0 <= image.label < self._data.classes:
                            raise ValueError(f"it has the label {image.label} of {self._data.classes} classes")
                        own.warp(image.encoded, changes.geometry[row], batch.images[row])
                    batch.labels[row] = image.label

                return spread(workers, fill, len(rows), batch)

            yield from ahead(begin, itertools.count(first) if last is None else range(first, last))
