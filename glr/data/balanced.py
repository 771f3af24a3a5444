"""Batches of P classes with K images each, for losses that compare images; any batch by a formula of the seed alone."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import chain

import numpy as np

from glr.data.prepared import PreparedData
from glr.data.randomness import generator
from glr.data.reading import Record
from glr.data.record_table import record_tables
from glr.errors import GlrError


class BalancedOrder:
    """Maps each batch of each epoch to its records.

    An epoch takes the classes in random order, P to a batch, and all of them again in another order until it ends, so
    that a batch has no class twice. Each batch draws K images of each of its classes; a class of fewer images repeats
    them, and a class of one image, which has no other to compare with, is left out.

    Args:
        labels: int [N], the class of each record.
        batch_size: P * K.
        images_per_class: K.
        seed: any whole number from 0.

    Attributes:
        classes: the number of classes of several images.

    Raises:
        GlrError: there are fewer than P such classes.
    """

    def __init__(self, labels: np.ndarray, *, batch_size: int, images_per_class: int, seed: int):
        self._each, self._seed = images_per_class, seed
        self._at_once = batch_size // images_per_class
        sizes = np.bincount(labels)
        self._records = np.argsort(labels, kind="stable")
        ends = np.cumsum(sizes)
        several = sizes > 1
        self._starts, self._sizes = (ends - sizes)[several], sizes[several]
        self.classes = int(several.sum())
        if self.classes < self._at_once:
            raise GlrError(
                f"data.sampler=classes: a batch needs {self._at_once} classes (train.batch_size={batch_size} / "
                f"data.images_per_class={images_per_class}), but only {self.classes} have several train images; lower "
                "train.batch_size"
            )

    def batch(self, epoch: int, number: int) -> np.ndarray:
        """The records of a batch of an epoch, int [P * K], in random order, so that replicas get shares alike."""
        turn, place = divmod(number, self.classes // self._at_once)
        chosen = self._turn(epoch, turn)[place * self._at_once : (place + 1) * self._at_once]
        random = generator(self._seed, "images", epoch, number)
        drawn = [self._starts[c] + np.resize(random.permutation(self._sizes[c]), self._each) for c in chosen]
        return random.permutation(self._records[np.concatenate(drawn)])

    @lru_cache(maxsize=2)  # noqa: B019 (as in `Order`)
    def _turn(self, epoch: int, turn: int) -> np.ndarray:
        return generator(self._seed, "classes", epoch, turn).permutation(self.classes)


class Balanced:
    """A train set's images in balanced batches, each read by itself from anywhere in the set.

    Args:
        data: the prepared set.
        splits: its splits to train on.
        batch_size, images_per_class, seed: see `BalancedOrder`.

    Raises:
        GlrError: there are too few classes, or a shard is damaged.
    """

    def __init__(self, data: PreparedData, splits: Sequence[str], *, batch_size: int, images_per_class: int, seed: int):
        self._data = data
        self._shards = [shard for split in splits for shard in data.shards[split]]
        self._places = list(chain.from_iterable(record_tables(data, split) for split in splits))
        self._ends = np.cumsum([len(places) for places in self._places])
        labels = np.concatenate([places["label"] for places in self._places])
        self.order = BalancedOrder(labels, batch_size=batch_size, images_per_class=images_per_class, seed=seed)
        self._batch_size = batch_size

    def records(self, readers: ThreadPoolExecutor, epoch: int, position: int, count: int) -> list[Record]:
        """Begin to read the records of `count` positions of an epoch, from `position` on, all of one batch."""
        number, first = divmod(position, self._batch_size)
        return [self._begin(readers, int(n)) for n in self.order.batch(epoch, number)[first : first + count]]

    def _begin(self, readers: ThreadPoolExecutor, number: int) -> Record:
        which = int(np.searchsorted(self._ends, number, "right"))
        shard, places = self._shards[which], self._places[which]
        row = number - int(self._ends[which]) + len(places)
        block, place = divmod(row, self._data.block)
        reading = readers.submit(self._data.read_places, shard, places[row : row + 1])
        image = partial(self._data.image, shard, block)
        return Record(self._data.shard_file(shard), reading, 0, lambda _, record: image(place, record))
