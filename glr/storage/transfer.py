"""Copy files to and from Google Cloud Storage, several at a time; a second call continues an interrupted call."""

import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tqdm.utils import CallbackIOWrapper

from glr.errors import GlrError
from glr.storage import bucket
from glr.storage.bucket import FileInfo, ReplacedError
from glr.storage.lock import held
from glr.storage.paths import PART, checksum, explained, is_bucket
from glr.storage.temporary import temporary_folder


def upload(
    files: Sequence[tuple[Path, str]],
    *,
    overwrite: bool = False,
    threads: int = 8,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Copy local files to Google Cloud Storage, several at a time; a second call continues an interrupted call.

    Args:
        files: (local file, gs:// path); a file whose object already has the same size and CRC32C is not sent again.
        overwrite: replace an object that has other content; False: raise a GlrError.
        threads: number of files at a time.
        progress: function to call with the number of bytes just sent or skipped; one thread at a time calls it.

    Raises:
        GlrError: the first file that fails; unfinished uploads are cancelled, and leave no part of a file.
    """
    _in_parallel(partial(_upload, overwrite), files, threads, progress)


def download(
    files: Sequence[tuple[str, Path]], *, threads: int = 8, progress: Callable[[int], object] | None = None
) -> None:
    """Copy files from Google Cloud Storage, several at a time; a second call continues an interrupted call.

    Each file is written as `NAME.GENERATION.part` beside its target, and replaces the target when its CRC32C is right.

    Args:
        files: (gs:// path, local file); a local file that already has the right size and CRC32C is not fetched.
        threads: number of files at a time.
        progress: function to call with the number of bytes just received or already on disk; negative before a damaged
            file is fetched again. One thread at a time calls it.

    Raises:
        GlrError: the first file that fails; the received parts of the others are kept for the next call.
    """
    _in_parallel(_download, files, threads, progress)
    targets = {target for _, target in files}
    for part in (part for folder in {target.parent for target in targets} for part in folder.glob(f"*{PART}")):
        begun = re.fullmatch(r"(.+)\.\d+\.part", part.name)
        if begun and part.with_name(begun[1]) in targets:
            part.unlink(missing_ok=True)  # a part of an earlier version of the object


@contextmanager
def on_disk(path: str | Path) -> Iterator[Path]:
    """Yield a local path to a file: the path itself, or the path of an object's temporary copy.

    Raises:
        GlrError: the object could not be downloaded.
    """
    if not is_bucket(path):
        yield Path(path)
        return
    with temporary_folder() as folder:
        copy = Path(folder, str(path).rsplit("/", 1)[-1])
        download([(str(path), copy)])
        yield copy


class _StoppedError(Exception):
    """Another file of the same call has failed."""


def _in_parallel(
    transfer: Callable[..., None],
    files: Sequence[tuple[object, object]],
    threads: int,
    progress: Callable[[int], object] | None,
) -> None:
    stopped, lock = threading.Event(), threading.Lock()

    def step(size: int) -> None:
        if stopped.is_set():
            raise _StoppedError
        if progress is not None:
            with lock:
                progress(size)

    with ThreadPoolExecutor(max(1, min(threads, bucket.CONNECTIONS))) as pool:
        futures = [pool.submit(transfer, source, target, step) for source, target in files]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _upload(overwrite: bool, source: Path, target: str, step: Callable[[int], None]) -> None:
    with explained(source):
        info = FileInfo(source.stat().st_size, checksum(source))
        seen = bucket.look(target)
        if seen is not None and seen.info == info:
            step(info.size)
            return
        if seen is not None and not overwrite:
            raise GlrError(f"{target} exists already with other content; delete it, or upload to another folder")
        with source.open("rb") as file:
            counted: Any = CallbackIOWrapper(step, file, "read")
            bucket.store(target, counted, info, seen, same_will_do=True)


def _download(source: str, target: Path, step: Callable[[int], None]) -> None:
    stored, damaged = bucket.existing(source), 0
    info, part = stored.info, target.with_name(f"{target.name}.{stored.generation}{PART}")
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        while not _holds(target, info):
            with held(part) as lock, os.fdopen(lock, "ab", closefd=False) as file:
                if _holds(target, info):  # another process has finished the download meanwhile
                    part.unlink(missing_ok=True)  # missing_ok: that process may delete it first
                    break
                if file.tell() > info.size:
                    file.truncate(0)
                done = file.seek(0, os.SEEK_END)
                step(done)
                try:
                    bucket.fetch(stored, file, done, info.size, step)
                except ReplacedError:
                    part.unlink()
                    raise
                file.flush()
                os.fsync(file.fileno())
                if _holds(part, info):
                    part.replace(target)
                    return
                damaged += 1
                if damaged == 2:
                    part.unlink()
                    raise GlrError(f"{source} arrives damaged (wrong checksum), twice; try again later")
                file.truncate(0)
                step(-info.size)
    step(info.size)


def _holds(file: Path, info: FileInfo) -> bool:
    return file.is_file() and file.stat().st_size == info.size and checksum(file) == info.crc32c
