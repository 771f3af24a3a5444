"""Write shards in parallel, each in one process; finished shards are kept."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sized
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from typing import Protocol, TypeVar

from glr import storage
from glr.config.printing import progress_bar
from glr.devices.processes import SPAWN
from glr.errors import GlrError


class Named(Protocol):
    """A result with the name of its file."""

    @property
    def file(self) -> str:
        """The file's name in the folder."""
        ...


Result = TypeVar("Result", bound=Named, covariant=True)


class Task(Protocol[Result]):
    """Work on one file. Its result is stored, so that an interrupted preparation continues."""

    @property
    def images(self) -> Sized:
        """Its images, or its files; the progress bar counts them."""
        ...

    def finished(self, files: Mapping[str, storage.FileInfo]) -> Result | None:
        """Return the result of an earlier run, or None to do the work; `files` are the folder's files."""
        ...

    def write(self) -> Result:
        """Write the file and return its result."""
        ...


def write_shards(
    tasks: Iterator[Task[Result]], folder: str, *, workers: int, images: int, unit: str = "images"
) -> list[Result]:
    """Write the shards that are not finished yet.

    Args:
        tasks: all shards.
        folder: the folder for the shards.
        workers: processes; 1: write in this process.
        images: images in all tasks, for the progress bar.
        unit: what the progress bar counts.

    Returns:
        The results of all tasks, by file name.

    Raises:
        GlrError: a shard could not be written, or a worker was killed. Finished shards are kept.
    """
    shards: list[Result] = []
    with (
        nullcontext() if workers == 1 else _processes(workers) as pool,
        progress_bar(total=images, unit=f" {unit}", desc="prepare", smoothing=0.1) as bar,
    ):
        try:
            for task, shard in _written(tasks, storage.files(folder), pool, 2 * workers):
                shards.append(shard)
                bar.update(len(task.images))
        except (OSError, BrokenProcessPool) as error:
            # A failed write (full disk, quota) does not name its file.
            where = getattr(error, "filename", None) or folder
            reason = getattr(error, "strerror", None) or "a worker process was killed (out of memory? give workers=1)"
            raise GlrError(f"{where}: {reason}; finished shards are kept, and the same command continues") from error
    return sorted(shards, key=lambda shard: shard.file)


def _written(
    tasks: Iterator[Task[Result]], files: dict[str, storage.FileInfo], pool: ProcessPoolExecutor | None, most: int
) -> Iterator[tuple[Task[Result], Result]]:
    """Yield each task with its shard; at most `most` tasks are pending, because each holds its list of images."""
    pending: dict[Future[Result], Task[Result]] = {}
    for task in tasks:
        if (shard := task.finished(files)) is not None:
            yield task, shard
        elif pool is None:
            yield task, task.write()
        else:
            yield from _collected(pending, most - 1)
            pending[pool.submit(task.write)] = task
    yield from _collected(pending, 0)


def _collected(pending: dict[Future[Result], Task[Result]], most: int) -> Iterator[tuple[Task[Result], Result]]:
    """Wait until at most `most` tasks are pending; yield those that finished."""
    while len(pending) > most:
        for future in wait(pending, return_when=FIRST_COMPLETED).done:
            yield pending.pop(future), future.result()


@contextmanager
def _processes(count: int) -> Iterator[ProcessPoolExecutor]:
    # spawn: the caller may have threads (TensorFlow's) that a fork would copy in a broken state.
    pool = ProcessPoolExecutor(count, SPAWN, _begin_worker)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_worker() -> None:
    # Ctrl-C reaches every process; workers ignore it, and the parent waits for the unfinished shards. A killed
    # parent cannot stop its workers, so each worker exits when the parent is gone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
