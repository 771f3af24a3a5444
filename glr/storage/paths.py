"""Files by path, local (`FOLDER/NAME`) or in Google Cloud Storage (`gs://BUCKET/NAME`); every failure is a GlrError."""

import io
import os
import re
import secrets
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import google_crc32c
from tqdm.utils import CallbackIOWrapper

from glr.errors import GlrError
from glr.storage import bucket
from glr.storage.bucket import FileInfo, ReplacedError
from glr.storage.lock import held
from glr.storage.temporary import temporary_folder

_PART = ".part"
_LONGEST_NAME = 150  # characters; file systems take 255 bytes


def is_bucket(path: str | Path) -> bool:
    """Whether a path is one of Google Cloud Storage."""
    return str(path).startswith("gs:")


def join(folder: str | Path, *names: str) -> str:
    """The path of a file below a folder."""
    return "/".join([str(folder).rstrip("/"), *names]) if is_bucket(folder) else str(Path(folder, *names))


def exists(path: str | Path) -> bool:
    """Whether there is a file.

    Raises:
        GlrError: the bucket is missing or may not be read.
    """
    return bucket.look(path) is not None if is_bucket(path) else Path(path).is_file()


def read(path: str | Path, start: int = 0, end: int | None = None) -> bytes:
    """The bytes [start, end) of a file, fewer where it ends before; a whole object is checked against its CRC32C.

    Raises:
        GlrError: the file is missing, may not be read, or arrives damaged.
    """
    if not is_bucket(path):
        with _local(path), Path(path).open("rb") as file:
            file.seek(start)
            return file.read() if end is None else file.read(max(end - start, 0))
    for _ in range(3):
        found, content = bucket.existing(path), io.BytesIO()
        size = found.info.size
        stop = size if end is None else min(end, size)
        with suppress(ReplacedError):  # then read what is there now
            bucket.fetch(found, content, start, stop)
            data = content.getvalue()
            damaged = (start, stop) == (0, size) and _crc32c(data) != found.info.crc32c
            if len(data) == max(stop - start, 0) and not damaged:
                return data
    raise GlrError(f"{path} changes while it is read, or arrives damaged; try again later")


def write(path: str | Path, data: bytes | memoryview, *, overwrite: bool = False) -> None:
    """Write a file, with the folders above it, at once: nobody sees a part of it, and no failure leaves one.

    To overwrite a link writes the file that it points to; permissions stay; a device or a pipe is written to.

    Raises:
        GlrError: it exists already (unless `overwrite`), someone else changes it meanwhile, or it cannot be written.
    """
    if is_bucket(path):
        seen = bucket.look(path) if overwrite else None
        bucket.store(path, io.BytesIO(data), FileInfo(len(data), _crc32c(data)), seen)
        return
    target = Path(os.path.realpath(path)) if overwrite else Path(path)  # a link keeps pointing to what is written
    part = target.with_name(f"{target.name}.{secrets.token_hex(8)}{_PART}")
    with _local(path):
        if overwrite and target.exists() and not target.is_file():  # a device or a pipe takes bytes and stays
            target.write_bytes(data)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("xb") as file:
                file.write(data)
                file.flush()
                if overwrite and target.exists():
                    os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode))
                os.fsync(file.fileno())
            if overwrite:
                part.replace(target)
            else:
                target.hardlink_to(part)  # unlike a rename, it fails where there is a file
        finally:
            part.unlink(missing_ok=True)


def files(folder: str | Path) -> dict[str, FileInfo]:
    """Every file below a folder by its name relative to it, but for those on their way (`*.part`); {} without any.

    Raises:
        GlrError: the folder or the bucket may not be read, or there is no such bucket.
    """
    if is_bucket(folder):
        return bucket.objects(folder)
    with _local(folder):
        found = sorted(file for file in Path(folder).rglob("*") if file.suffix != _PART and file.is_file())
        return {file.relative_to(folder).as_posix(): FileInfo(file.stat().st_size, None) for file in found}


def delete(path: str | Path) -> None:
    """Delete a file, if it is there.

    Raises:
        GlrError: it cannot be deleted, or someone else changes it meanwhile.
    """
    if not is_bucket(path):
        with _local(path):
            Path(path).unlink(missing_ok=True)
    elif (found := bucket.look(path)) is not None:
        bucket.remove(found)


def as_file_name(name: str) -> str:
    """A name from elsewhere (of a run, say) as a single part of a path: letters, digits and `._+=,-`, others as `_`."""
    return re.sub(r"^\.+|[^\w.+=,-]", "_", name)[:_LONGEST_NAME] or "_"


def normalized(path: str) -> str:
    """The one spelling of a place: absolute and without links if it is local, without a slash at the end."""
    return path.rstrip("/") if is_bucket(path) else str(Path(path).resolve())


def checksum(path: str | Path) -> str:
    """The CRC32C of a file, hexadecimal; a bucket knows it.

    Raises:
        GlrError: it is missing or cannot be read.
    """
    if is_bucket(path):
        return str(bucket.existing(path).info.crc32c)
    crc = google_crc32c.Checksum()
    with _local(path), Path(path).open("rb") as file:
        while chunk := file.read(2**20):
            crc.update(chunk)
    return crc.hexdigest().decode()


def upload(
    files: Sequence[tuple[Path, str]],
    *,
    overwrite: bool = False,
    threads: int = 8,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Copy local files to Google Cloud Storage, several at a time; a second call goes on where a first was stopped.

    Args:
        files: (local file, gs:// path); what is there already with the same size and CRC32C is not sent again.
        overwrite: replace a file that has other content, instead of refusing it.
        threads: files at a time.
        progress: is given the number of bytes just sent or skipped, by one thread at a time.

    Raises:
        GlrError: the first file that fails; those under way are given up, none is left half-visible.
    """
    _in_parallel(partial(_upload, overwrite), files, threads, progress)


def download(
    files: Sequence[tuple[str, Path]], *, threads: int = 8, progress: Callable[[int], object] | None = None
) -> None:
    """Copy files of Google Cloud Storage here, several at a time; a second call goes on where a first was stopped.

    Each grows as `NAME.GENERATION.part` beside its target, which it replaces when its CRC32C is right.

    Args:
        files: (gs:// path, local file); a local file with the right size and CRC32C is left as it is.
        threads: files at a time.
        progress: is given the number of bytes just arrived or found, by one thread at a time; a negative one where a
            damaged file is fetched again.

    Raises:
        GlrError: the first file that fails; what has arrived of the others is kept for the next call.
    """
    _in_parallel(_download, files, threads, progress)
    targets = {target for _, target in files}
    for part in (part for folder in {target.parent for target in targets} for part in folder.glob(f"*{_PART}")):
        begun = re.fullmatch(r"(.+)\.\d+\.part", part.name)
        if begun and part.with_name(begun[1]) in targets:
            part.unlink(missing_ok=True)  # of a generation that has been replaced since


@contextmanager
def on_disk(path: str | Path) -> Iterator[Path]:
    """A file as one on this machine's disk: itself, or a copy for the time being of one in a bucket.

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
    files: Sequence[tuple[Any, Any]],
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
    with _local(source):
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
    found, damaged = bucket.existing(source), 0
    info, part = found.info, target.with_name(f"{target.name}.{found.generation}{_PART}")
    with _local(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        while not _holds(target, info):
            with held(part) as lock, os.fdopen(lock, "ab", closefd=False) as file:
                if _holds(target, info):  # another process has finished it while this one waited
                    part.unlink(missing_ok=True)  # that process, too, deletes what is left
                    break
                if file.tell() > info.size:
                    file.truncate(0)
                done = file.seek(0, os.SEEK_END)
                step(done)
                try:
                    bucket.fetch(found, file, done, info.size, step)
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


def _crc32c(data: bytes | memoryview) -> str:
    return google_crc32c.Checksum(bytes(data)).hexdigest().decode()


@contextmanager
def _local(path: str | Path) -> Iterator[None]:
    """Say in a sentence what the operating system raises about a local file."""
    try:
        yield
    except FileNotFoundError as error:
        raise GlrError(f"{path} does not exist; correct the path") from error
    except FileExistsError as error:
        raise GlrError(f"{path} exists already; look at it, then delete it or take another name") from error
    except OSError as error:
        raise GlrError(f"{path}: {error.strerror}; make room or correct the path, then try again") from error
