"""Copy files to and from Google Cloud Storage, several at a time; a second call continues a stopped one."""

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
    """Copy local files to Google Cloud Storage, several at a time; a second call continues a stopped one.

    Args:
        files: (local file, gs:// path); objects that have the same size and CRC32C already are not sent again.
        overwrite: replace a file that has other content, instead of refusing it.
        threads: files at a time.
        progress: called with the number of bytes just sent or skipped, by one thread at a time.

    Raises:
        GlrError: the first file that fails; uploads under way are cancelled, and none leaves a part of a file.
    """
    _in_parallel(partial(_upload, overwrite), files, threads, progress)


def download(
    files: Sequence[tuple[str, Path]], *, threads: int = 8, progress: Callable[[int], object] | None = None
) -> None:
    """Copy files from Google Cloud Storage, several at a time; a second call continues a stopped one.

    Each file grows as `NAME.GENERATION.part` beside its target, which it replaces when its CRC32C is right.

    Args:
        files: (gs:// path, local file); a local file with the right size and CRC32C is left as it is.
        threads: files at a time.
        progress: called with the number of bytes just received or already here, by one thread at a time; with a
            negative number before a damaged file is fetched again.

    Raises:
        GlrError: the first file that fails; the received parts of the others are kept for the next call.
    """
    _in_parallel(_download, files, threads, progress)
    targets = {target for _, target in files}
    for part in (part for folder in {target.parent for target in targets} for part in folder.glob(f"*{PART}")):
        begun = re.fullmatch(r"(.+)\.\d+\.part", part.name)
        if begun and part.with_name(begun[1]) in targets:
            part.unlink(missing_ok=True)  # a part of a generation that has been replaced since


@contextmanager
def on_disk(path: str | Path) -> Iterator[Path]:
    """Yield a local path of a file: its own, or that of a temporary copy of an object.

    Raises:
        GlrError: it could not be downloaded.
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
                if _holds(target, info):  # another process has finished it while this one waited
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
