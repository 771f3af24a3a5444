"""Input pipelines: a prepared data set's images as batches for training, and for describing.

Threads decode and resample while the device computes. Neither TensorFlow nor tf.data has a part in it: both libraries
below release Python's lock, every batch is found by formula, and a damaged record is known by its place.
"""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import numpy as np
import simplejpeg

from glr.data.geometry import FAST_DCT, Warp, aligned, letterbox
from glr.data.order import Order
from glr.data.prepared import PreparedData, Shard
from glr.data.randomness import uniforms
from glr.data.tfrecord import Image, parse
from glr.errors import GlrError

_AHEAD = 2  # batches under way beyond the one that is awaited
_ROWS = 8  # images that a thread takes at once
_READERS = 8  # blocks read at once: from a bucket each waits for the network

Result = TypeVar("Result")


class Batch(NamedTuple):
    """Train images uint8 [B, S, S, 3], their labels int32 [B] and changes of colour float32 [B, 3, 4]."""

    images: np.ndarray
    labels: np.ndarray
    colours: np.ndarray


class TrainPipeline:
    """The train images in batches, each epoch in an order of its own; an epoch's incomplete last batch is dropped.

    A step's images and their augmentation follow from the seed and the step alone: not from the number of threads,
    replicas or hosts, nor from where a run was resumed.

    Args:
        data: the prepared set.
        splits: those of its splits that are trained on.
        augment: has `draws` and `changes(uniforms)`, see `glr.augment`.
        image_size: S, pixels.
        batch_size: images per step over all replicas.
        seed: of order and augmentation.
        shuffle_buffer: images shuffled together; so many, and as many of those that come next, are held encoded.
        parallelism: threads that decode.

    Raises:
        GlrError: the split has fewer images than a batch.
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
    ):
        shards = [shard for split in splits for shard in data.shards[split]]
        images = sum(shard.records for shard in shards)
        if images < batch_size:
            raise GlrError(
                f"train.batch_size={batch_size}, but {data.path} has only {images} train images; lower train.batch_size"
            )
        self.image_size = image_size
        self.batch_size = batch_size
        self.images = images
        self.steps_per_epoch = images // batch_size
        self._data = data
        self._shards = shards
        self._augment = augment
        self._seed = seed
        self._parallelism = parallelism
        self._order = Order([shard.records for shard in shards], block=data.block, window=shuffle_buffer, seed=seed)

    def batches(self, first: int = 0, last: int | None = None, rows: range | None = None) -> Iterator[Batch]:
        """Yield the batches of steps `first` to `last` (from 0, exclusive; None: without end), over all epochs.

        What comes before `first` is neither decoded nor read.

        Args:
            first, last: steps.
            rows: the part of each global batch that is wanted here; None: all.

        Raises:
            GlrError: a record is damaged; names its shard, offset and image.
        """
        rows = range(self.batch_size) if rows is None else rows
        own = threading.local()
        with _threads(self._parallelism) as workers, _threads(_READERS) as readers:
            reader = _Reader(self._data, self._shards, self._order, readers, repeat=True)

            def begin(step: int) -> Callable[[], Batch]:
                epoch, number = divmod(step, self.steps_per_epoch)
                position = number * self.batch_size + rows.start
                records = reader.records(epoch, position, len(rows))
                changes = self._augment.changes(uniforms(self._seed, epoch, position, len(rows), self._augment.draws))
                batch = Batch(_frames(len(rows), self.image_size), np.empty(len(rows), np.int32), changes.colour)

                def fill(row: int) -> None:
                    if not hasattr(own, "warp"):
                        own.warp = Warp(self.image_size)
                    with records[row].image() as image:
                        if not 0 <= image.label < self._data.classes:
                            raise ValueError(f"it has the label {image.label} of {self._data.classes} classes")
                        own.warp(image.encoded, changes.geometry[row], batch.images[row])
                    batch.labels[row] = image.label

                return _spread(workers, fill, len(rows), batch)

            yield from _ahead(begin, itertools.count(first) if last is None else range(first, last))


def image_batches(
    data: PreparedData, split: str, *, image_size: int, batch_size: int, parallelism: int
) -> Iterator[tuple[list[tuple[str, int]], np.ndarray]]:
    """A split's images in their stored order, letterboxed; the last batch may be smaller.

    Yields:
        (id, label) of each image, and the images uint8 [B, S, S, 3].

    Raises:
        GlrError: a record is damaged; names its shard, offset and image.
    """
    shards, count = data.shards[split], data.images(split)
    with _threads(parallelism) as workers, _threads(_READERS) as readers:
        order = Order([shard.records for shard in shards], block=data.block, window=batch_size, seed=None)
        reader = _Reader(data, shards, order, readers, repeat=False)

        def begin(first: int) -> Callable[[], tuple[list[tuple[str, int]], np.ndarray]]:
            records = reader.records(0, first, min(batch_size, count - first))
            names, frames = [("", -1)] * len(records), _frames(len(records), image_size)

            def fill(row: int) -> None:
                with records[row].image() as image:
                    letterbox(simplejpeg.decode_jpeg(image.encoded, fastdct=FAST_DCT), frames[row])
                names[row] = image.id, image.label

            return _spread(workers, fill, len(records), (names, frames))

        yield from _ahead(begin, range(0, count, batch_size))


class _Record(NamedTuple):
    """A record that is being read, with the block it lies in."""

    file: str
    block: Future[list[tuple[int, bytes]]]
    number: int

    @contextmanager
    def image(self) -> Iterator[Image]:
        """The image, once it is read; a ValueError meanwhile becomes a GlrError that names the record."""
        offset, record = self.block.result()[self.number]
        name = ""
        try:
            image = parse(record)
            name = f" (image {image.id})"
            yield image
        except ValueError as error:
            where = f"{self.file}: the record at byte {offset}{name}"
            raise GlrError(f"{where} cannot be used: {error}; prepare this data set again") from error


class _Reader:
    """Reads the blocks of a window as it begins, and those of the next one meanwhile."""

    def __init__(
        self, data: PreparedData, shards: list[Shard], order: Order, readers: ThreadPoolExecutor, *, repeat: bool
    ):
        self._data = data
        self._shards = shards
        self._order = order
        self._readers = readers
        self._repeat = repeat
        self._open: dict[tuple[int, int], list[_Record]] = {}

    def records(self, epoch: int, position: int, count: int) -> list[_Record]:
        """The records of `count` positions of an epoch."""
        found: list[_Record] = []
        while len(found) < count:
            window = self._order.window_of(epoch, position + len(found))
            first = position + len(found) - self._order.start(epoch, window)
            found += self._window(epoch, window)[first : first + count - len(found)]
        return found

    def _window(self, epoch: int, window: int) -> list[_Record]:
        following = (epoch, window + 1) if window + 1 < self._order.windows(epoch) else (epoch + 1, 0)
        for key in ((epoch, window), following):
            if key not in self._open and (self._repeat or key[0] == epoch):
                self._open[key] = self._begin(*key)
        for past in [key for key in self._open if key < (epoch, window)]:
            del self._open[past]
        return self._open[epoch, window]

    def _begin(self, epoch: int, window: int) -> list[_Record]:
        blocks = {
            (shard, block): self._readers.submit(self._data.read_block, self._shards[shard], block)
            for shard, block in self._order.blocks(epoch, window)
        }
        files = [self._data.file(shard.file) for shard in self._shards]
        return [_Record(files[shard], blocks[shard, block], n) for shard, block, n in self._order.window(epoch, window)]


def _frames(count: int, size: int) -> np.ndarray:
    """Memory for uint8 [count, size, size, 3], placed so that TensorFlow takes it without copying."""
    return aligned(count * size * size * 3, 0, 64).reshape(count, size, size, 3)


@contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that are told to stop, not waited for, when their user goes away."""
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _spread(
    workers: ThreadPoolExecutor, fill: Callable[[int], None], rows: int, result: Result
) -> Callable[[], Result]:
    """Have threads fill all rows of a result; what is returned waits for it."""

    def some(first: int) -> None:
        for row in range(first, min(first + _ROWS, rows)):
            fill(row)

    parts = [workers.submit(some, first) for first in range(0, rows, _ROWS)]

    def filled() -> Result:
        for part in parts:
            part.result()
        return result

    return filled


def _ahead(begin: Callable[[int], Callable[[], Result]], steps: Iterable[int]) -> Iterator[Result]:
    """Yield the results of all steps, each begun some steps before it is awaited."""
    under_way: deque[Callable[[], Result]] = deque()
    for step in steps:
        under_way.append(begin(step))
        if len(under_way) > _AHEAD:
            yield under_way.popleft()()
    while under_way:
        yield under_way.popleft()()
