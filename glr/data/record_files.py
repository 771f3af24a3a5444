"""TFRecord files of any origin: found in a folder, recognised by their content, and read as a stream or in parts."""

import gzip
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from glr import storage
from glr.config.installation import library
from glr.data.tfrecord import is_header
from glr.errors import GlrError

_GZIP = b"\x1f\x8b"
# Names of TFRecord files: `train-00000-of-00128`, `train15-1234.tfrec`.
_USUAL = re.compile(r"-\d+-of-\d+|\.(tfrec|tfrecord|tfrecords)(\.gz)?$")
# Tables and notes beside the records do not count, so that a manifest may lie there.
_TABLES = {".csv", ".json", ".npy", ".gzidx", ".lock", ".part", ".txt", ".md"}
# Bytes of decompressed records between points at which reading can begin; the index takes 32 KiB a point.
_SPACING = 2**23
_OPEN_INDICES = 32


def record_files(folder: str, pattern: str) -> tuple[list[str], list[str]]:
    """Return the TFRecord files below a folder, and the other files that match; hidden files and tables do not count.

    Args:
        folder: local or gs://.
        pattern: names of the files to consider, such as `train*`.

    Raises:
        GlrError: no TFRecord file matches, or a file named like one does not begin with a record.
    """
    if not storage.is_bucket(folder) and not Path(folder).is_dir():
        raise GlrError(f"data.source.path={folder}: no such folder")
    records: list[str] = []
    others: list[str] = []
    for name in sorted(storage.files(folder)):
        path = PurePosixPath(name)
        hidden = any(part.startswith(".") for part in path.parts)
        if hidden or path.suffix.lower() in _TABLES or not path.match(pattern):
            continue
        file = storage.join(folder, name)
        if _begins_with_record(file):
            records.append(name)
        elif _USUAL.search(path.name) and storage.read(file, 0, 1):  # TensorFlow leaves empty files
            raise GlrError(f"{file} does not begin with a record; copy it again, or remove it")
        else:
            others.append(name)
    if not records:
        raise GlrError(f"{folder} holds no TFRecord file named {pattern} (data.source.files)")
    return records, others


def is_gzip(file: str) -> bool:
    """Return True if a file begins like a gzip file."""
    return storage.read(file, 0, 2) == _GZIP


@contextmanager
def opened(file: str) -> Iterator[BinaryIO]:
    """Open a file, local or in a bucket, as a stream of its records; gzip is decompressed."""
    with io.BufferedReader(_Remote(file), 2**23) if storage.is_bucket(file) else Path(file).open("rb") as raw:
        yield cast(BinaryIO, gzip.GzipFile(fileobj=raw) if is_gzip(file) else raw)


def index_gzip(file: str) -> bytes:
    """Return an index with which `read_part` reads parts of a gzip file.

    Raises:
        GlrError: the file is in a bucket, or the extra that reads gzip files is missing.
    """
    if storage.is_bucket(file):
        raise GlrError(f"{file}: gzip files are read in place on a disk only; copy them there, or decompress them")
    index = io.BytesIO()
    with _library().IndexedGzipFile(file, spacing=_SPACING) as opened:
        opened.build_full_index()
        opened.export_index(fileobj=index)
    return index.getvalue()


def read_part(file: str, start: int, end: int, index: str | None) -> bytes:
    """Read the bytes [start, end) of a file's records.

    Args:
        file: local or gs://.
        start, end: bytes, counted in the decompressed records.
        index: the file with the index of a gzip file; None: the file is not compressed.
    """
    return storage.read(file, start, end) if index is None else _indexed(file, index).pread(end - start, start)


@lru_cache(_OPEN_INDICES)
def _indexed(file: str, index: str) -> Any:
    # `pread` may be called by several threads at once.
    return _library().IndexedGzipFile(file, index_file=index)


def _library() -> Any:
    return library("indexed_gzip", "gzip", "gzip files need a library to be read in place")


def _begins_with_record(file: str) -> bool:
    try:
        with opened(file) as stream:
            return is_header(stream.read(12))
    except (OSError, EOFError):  # a gzip file that is damaged or cut off
        return False


class _Remote(io.RawIOBase):
    """An object in a bucket, read from start to end."""

    def __init__(self, file: str):
        self._file, self._at = file, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = storage.read(self._file, self._at, self._at + len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
