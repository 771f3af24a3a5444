"""The order of a train set's images: a seeded permutation, different in each epoch, read in large blocks."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from glr.data.randomness import generator


class Place(NamedTuple):
    """The place of an image: its shard, its block in the shard, and its record in the block."""

    shard: int
    block: int
    record: int


class Order:
    """Maps each position of each epoch to an image, by a formula of the seed alone.

    Records lie in blocks (parts of a shard that are read at once). An epoch takes the blocks of all shards in
    random order, gathers them in windows, and shuffles the images of each window.

    Args:
        counts: records of each shard.
        block: records of a block; a shard's last block may have fewer.
        window: images shuffled together, give or take a block.
        seed: any whole number from 0; None: the stored order.
    """

    def __init__(self, counts: Sequence[int], *, block: int, window: int, seed: int | None):
        self._shard, self._block, self._size = (
            np.array(column, np.int64)
            for column in zip(
                *(
                    (shard, number, min(block, count - number * block))
                    for shard, count in enumerate(counts)
                    for number in range(-(-count // block))
                ),
                strict=True,
            )
        )
        self._window = window
        self._seed = seed
        self.images = int(self._size.sum())

    def window_of(self, epoch: int, position: int) -> int:
        """The window that contains a position (from 0) of an epoch."""
        return int(np.searchsorted(self._epoch(epoch).starts, position, "right")) - 1

    def windows(self, epoch: int) -> int:
        """The number of windows in an epoch."""
        return len(self._epoch(epoch).starts)

    def start(self, epoch: int, window: int) -> int:
        """The position of a window's first image."""
        return int(self._epoch(epoch).starts[window])

    def blocks(self, epoch: int, window: int) -> list[tuple[int, int]]:
        """The (shard, block) pairs that hold a window's images."""
        return [(int(self._shard[i]), int(self._block[i])) for i in self._epoch(epoch).members[window]]

    def window(self, epoch: int, window: int) -> list[Place]:
        """The places of a window's images, in their order."""
        members = self._epoch(epoch).members[window]
        sizes = self._size[members]
        owner = np.repeat(members, sizes)
        record = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        order = self._permutation(len(owner), "window", epoch, window)
        columns = self._shard[owner][order], self._block[owner][order], record[order]
        return [Place(*place) for place in zip(*(column.tolist() for column in columns), strict=True)]

    @lru_cache(maxsize=2)  # noqa: B019 (an epoch's end and the next one's beginning; an order lives as long as its run)
    def _epoch(self, epoch: int) -> "_Epoch":
        blocks = self._permutation(len(self._size), "blocks", epoch)
        ends = np.cumsum(self._size[blocks])
        # A block belongs to the window in which it begins.
        windows = (ends - self._size[blocks]) // self._window
        cuts = np.flatnonzero(np.diff(windows)) + 1
        return _Epoch(np.concatenate([[0], ends[cuts - 1]]), np.split(blocks, cuts))

    def _permutation(self, count: int, purpose: str, *place: int) -> np.ndarray:
        return np.arange(count) if self._seed is None else generator(self._seed, purpose, *place).permutation(count)


class _Epoch(NamedTuple):
    starts: np.ndarray
    members: list[np.ndarray]
