"""Files by path, local (`FOLDER/NAME`) or in Google Cloud Storage (`gs://BUCKET/NAME`); every failure is a GlrError."""

import io
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import google_crc32c

from glr.errors import GlrError
from glr.storage import bucket
from glr.storage.bucket import FileInfo, ReplacedError

PART = ".part"


def is_bucket(path: str | Path) -> bool:
    """Return True if a path is in Google Cloud Storage."""
    return str(path).startswith("gs:")


def join(folder: str | Path, *names: str) -> str:
    """The path of a file below a folder."""
    return "/".join([str(folder).rstrip("/"), *names]) if is_bucket(folder) else str(Path(folder, *names))


def exists(path: str | Path) -> bool:
    """Return True if a file exists.

    Raises:
        GlrError: the bucket is missing or may not be read.
    """
    return bucket.look(path) is not None if is_bucket(path) else Path(path).is_file()


def read(path: str | Path, start: int = 0, end: int | None = None) -> bytes:
    """The bytes [start, end) of a file, fewer if it ends earlier; a whole object is checked against its CRC32C.

    Raises:
        GlrError: the file is missing, may not be read, or arrives damaged.
    """
    if not is_bucket(path):
        with explained(path), Path(path).open("rb") as file:
            file.seek(start)
            return file.read() if end is None else file.read(max(end - start, 0))
    for _ in range(3):
        stored, content = bucket.existing(path), io.BytesIO()
        size = stored.info.size
        stop = size if end is None else min(end, size)
        with suppress(ReplacedError):  # the object was replaced: read the new object
            bucket.fetch(stored, content, start, stop)
            data = content.getvalue()
            damaged = (start, stop) == (0, size) and FileInfo.of(data) != stored.info
            if len(data) == max(stop - start, 0) and not damaged:
                return data
    raise GlrError(f"{path} changes while it is read, or arrives damaged; try again later")


def write(path: str | Path, data: bytes, *, overwrite: bool = False) -> None:
    """Create a file's folders, and write the file atomically: no reader sees a partial file, even after a failure.

    Overwriting keeps the permissions, follows a link to its file, and writes into a device or a pipe.

    Raises:
        GlrError: the file exists (unless `overwrite`), another process changes it meanwhile, or it cannot be written.
    """
    if is_bucket(path):
        seen = bucket.look(path) if overwrite else None
        bucket.store(path, io.BytesIO(data), FileInfo.of(data), seen)
        return
    if overwrite and Path(path).exists() and not Path(path).is_file():  # a device or a pipe takes bytes and stays
        with explained(path):
            Path(path).write_bytes(data)
        return
    target = Path(os.path.realpath(path)) if overwrite else Path(path)  # keep a link, and write to its target
    part = target.with_name(f"{target.name}.{secrets.token_hex(8)}{PART}")
    with explained(path):
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
                target.hardlink_to(part)  # unlike a rename, this fails if the file exists
        finally:
            part.unlink(missing_ok=True)


def check_writable(path: str | Path) -> None:
    """Refuse a path to which `write` cannot write, before the work whose result goes there.

    Raises:
        GlrError: the path is a folder, its folder cannot be created or may not be written, or there is no such bucket.
    """
    if is_bucket(path):
        bucket.look(path)
        return
    if Path(path).is_dir():
        raise GlrError(f"{path} is a folder; give a file")
    if Path(path).exists() and not Path(path).is_file():  # a device or a pipe
        return
    folder = next(folder for folder in Path(os.path.realpath(path)).parents if folder.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise GlrError(f"{path}: {folder} is not a folder that may be written; correct the path")


def files(folder: str | Path) -> dict[str, FileInfo]:
    """The files below a folder: relative name -> size and CRC32C, without unfinished local files (`*.part`); may be {}.

    Raises:
        GlrError: the folder or the bucket may not be read, or there is no such bucket.
    """
    if is_bucket(folder):
        return bucket.objects(folder)
    with explained(folder):
        paths = sorted(file for file in Path(folder).rglob("*") if file.suffix != PART and file.is_file())
        return {file.relative_to(folder).as_posix(): FileInfo(file.stat().st_size, None) for file in paths}


def delete(path: str | Path) -> None:
    """Delete a file, if it exists.

    Raises:
        GlrError: the file cannot be deleted, or another process changes it meanwhile.
    """
    if not is_bucket(path):
        with explained(path):
            Path(path).unlink(missing_ok=True)
    elif (stored := bucket.look(path)) is not None:
        bucket.remove(stored)


def normalized(path: str) -> str:
    """Return the one spelling of a path: absolute and without links if it is local, without a trailing slash."""
    return path.rstrip("/") if is_bucket(path) else str(Path(path).resolve())


def checksum(path: str | Path) -> str:
    """The CRC32C of a file, hexadecimal; the CRC32C of an object is read from the bucket.

    Raises:
        GlrError: the file is missing or cannot be read.
    """
    if is_bucket(path):
        return str(bucket.existing(path).info.crc32c)
    crc = google_crc32c.Checksum()
    with explained(path), Path(path).open("rb") as file:
        while chunk := file.read(2**20):
            crc.update(chunk)
    return crc.hexdigest().decode()


@contextmanager
def explained(path: str | Path) -> Iterator[None]:
    """Turn an error of the operating system about a local file into a GlrError."""
    try:
        yield
    except FileNotFoundError as error:
        raise GlrError(f"{path} does not exist; correct the path") from error
    except FileExistsError as error:
        raise GlrError(f"{path} exists already; look at it, then delete it or take another name") from error
    except OSError as error:
        raise GlrError(f"{path}: {error.strerror}; make room or correct the path, then try again") from error
    except ValueError as error:
        if "\0" not in str(path):
            raise
        raise GlrError(f"{str(path)!r} holds a null character; correct the path") from error
