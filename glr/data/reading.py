"""Records of a prepared set in a given order, read in large blocks before they are needed."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from glr.data.order import Order
from glr.data.prepared import PreparedData, Shard
from glr.data.tfrecord import Image
from glr.errors import GlrError


class Record(NamedTuple):
    """A record that is being read: its file, its block, its number in the block, and the reader of its image."""

    file: str
    block: Future[list[tuple[int, bytes]]]
    number: int
    parse: Callable[[int, bytes], Image]

    @contextmanager
    def image(self) -> Iterator[Image]:
        """Wait for the image and yield it; a ValueError in the body becomes a GlrError that names the record."""
        offset, record = self.block.result()[self.number]
        name = ""
        try:
            image = self.parse(self.number, record)
            name = f" (image {image.id})"
            yield image
        except ValueError as error:
            where = f"{self.file}: the record at byte {offset}{name}"
            raise GlrError(f"{where} cannot be used: {error}; prepare this data set again") from error


class Reader:
    """Reads the blocks of a window when the window begins, and prefetches the next window's blocks.

    Args:
        data: the prepared set.
        shards: its shards to read.
        order: the order of their images.
        readers: threads that read.
        repeat: at an epoch's end, prefetch the first window of the next epoch.
    """

    def __init__(
        self, data: PreparedData, shards: list[Shard], order: Order, readers: ThreadPoolExecutor, *, repeat: bool
    ):
        self._data = data
        self._shards = shards
        self._order = order
        self._readers = readers
        self._repeat = repeat
        self._open: dict[tuple[int, int], list[Record]] = {}

    def records(self, epoch: int, position: int, count: int) -> list[Record]:
        """Return the records of `count` positions of an epoch, from `position` on."""
        records: list[Record] = []
        while len(records) < count:
            window = self._order.window_of(epoch, position + len(records))
            first = position + len(records) - self._order.start(epoch, window)
            records += self._window(epoch, window)[first : first + count - len(records)]
        return records

    def _window(self, epoch: int, window: int) -> list[Record]:
        following = (epoch, window + 1) if window + 1 < self._order.windows(epoch) else (epoch + 1, 0)
        for key in ((epoch, window), following):
            if key not in self._open and (self._repeat or key[0] == epoch):
                self._open[key] = self._begin(*key)
        for past in [key for key in self._open if key < (epoch, window)]:
            del self._open[past]
        return self._open[epoch, window]

    def _begin(self, epoch: int, window: int) -> list[Record]:
        blocks = {
            (shard, block): self._readers.submit(self._data.read_block, self._shards[shard], block)
            for shard, block in self._order.blocks(epoch, window)
        }
        files = [self._data.shard_file(shard) for shard in self._shards]
        parsers = {key: partial(self._data.image, self._shards[key[0]], key[1]) for key in blocks}
        return [
            Record(files[shard], blocks[shard, block], number, parsers[shard, block])
            for shard, block, number in self._order.window(epoch, window)
        ]
