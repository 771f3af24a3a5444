"""Threads that fill batches; they work a few batches ahead of the caller."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

from glr.data.geometry import aligned

READERS = 8  # blocks or files read at once; each read from a bucket waits for the network
_AHEAD = 2  # batches filled ahead of the batch that the caller waits for
_ROWS = 8  # the most images that a thread takes at once

Result = TypeVar("Result")


def frames(count: int, size: int) -> np.ndarray:
    """Allocate uint8 [count, size, size, 3], aligned so that TensorFlow uses it without copying."""
    return aligned(count * size * size * 3, 0, 64).reshape(count, size, size, 3)


class Threads(ThreadPoolExecutor):
    """A pool that knows the number of its threads."""

    def __init__(self, count: int):
        super().__init__(count)
        self.count = count


@contextmanager
def threads(count: int) -> Iterator[Threads]:
    """Yield a pool of threads; on exit, cancel what has not started, without waiting for the threads."""
    pool = Threads(count)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def spread(workers: Threads, fill: Callable[[int], None], rows: int, result: Result) -> Callable[[], Result]:
    """Let threads fill all rows of a result; return a function that waits for the filled result."""
    at_once = max(1, min(_ROWS, rows // workers.count))  # a small batch, too, gives every thread something to do

    def some(first: int) -> None:
        for row in range(first, min(first + at_once, rows)):
            fill(row)

    parts = [workers.submit(some, first) for first in range(0, rows, at_once)]

    def filled() -> Result:
        for part in parts:
            part.result()
        return result

    return filled


def ahead(begin: Callable[[int], Callable[[], Result]], steps: Iterable[int]) -> Iterator[Result]:
    """Yield the results of all steps; each step begins while earlier results are still being computed."""
    under_way: deque[Callable[[], Result]] = deque()
    for step in steps:
        under_way.append(begin(step))
        if len(under_way) > _AHEAD:
            yield under_way.popleft()()
    while under_way:
        yield under_way.popleft()()
