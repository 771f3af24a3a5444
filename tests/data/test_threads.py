"""Threads fill results in order, a few ahead, and stop when their consumer stops."""

import itertools
import threading

import numpy as np
import pytest

from glr.data.threads import ahead, frames, spread, threads


def test_frames_lie_where_tensorflow_takes_them():
    for count, size in ((1, 1), (3, 17), (10, 24)):
        made = frames(count, size)
        assert (made.shape, made.dtype) == ((count, size, size, 3), np.uint8)
        assert made.ctypes.data % 64 == 0


@pytest.mark.parametrize("rows", [0, 1, 8, 21])
def test_every_row_is_filled_once(rows: int):
    counts = np.zeros(rows, int)

    def fill(row: int) -> None:
        counts[row] += 1

    with threads(3) as workers:
        assert spread(workers, fill, rows, counts)() is counts
    assert (counts == 1).all()


def test_a_small_batch_occupies_every_thread():
    everyone = threading.Barrier(16)

    def fill(row: int) -> None:
        if row % 2 == 0:  # 32 rows: two for each thread
            everyone.wait(20)

    with threads(16) as workers:
        spread(workers, fill, 32, None)()


def test_whoever_waits_hears_of_a_failure():
    def fill(row: int) -> None:
        if row == 9:
            raise ValueError("row 9")

    with threads(2) as workers:
        filled = spread(workers, fill, 20, None)
        with pytest.raises(ValueError, match="row 9"):
            filled()


def test_results_come_in_order_and_two_are_under_way_beyond_the_one_awaited():
    begun: list[int] = []

    def begin(step: int):
        begun.append(step)
        return lambda: step

    stream = ahead(begin, itertools.count(5))
    assert begun == []
    assert [next(stream) for _ in range(4)] == [5, 6, 7, 8]
    assert begun == [5, 6, 7, 8, 9, 10]
    assert list(ahead(begin, range(2))) == [0, 1]


def test_nobody_waits_for_threads_that_are_left():
    go, done = threading.Event(), []
    with threads(1) as pool:
        running = pool.submit(go.wait, 20)
        waiting = pool.submit(done.append, 1)
    assert not running.done()
    assert waiting.cancelled()
    go.set()
    assert running.result(5)
    assert done == []
