"""Descriptors on disk: a memory-mapped matrix and the ids of its rows; written in batches, continued if interrupted."""

import errno
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import google_crc32c
import numpy as np

from glr import storage
from glr.errors import GlrError

_PART = ".part"
_ROWS = 65_536  # descriptors checked at once
_ANEW = "store them again with python -m glr.evaluate run=... keep_descriptors=true"


class Descriptors(NamedTuple):
    """Ids of N images, and their descriptors [N, D], in memory or memory-mapped."""

    ids: list[str]
    values: np.ndarray


def files(folder: Path, name: str) -> tuple[Path, Path, Path]:
    """The files: `<name>_ids.txt`, one id per line; `<name>_descriptors.npy`; and `<name>_checksums.txt`.

    Each line of the last file holds a number of rows and the CRC32C (hexadecimal) of the other files up to that row:
    one line per batch while the files grow, a single line once they are complete.
    """
    return folder / f"{name}_ids.txt", folder / f"{name}_descriptors.npy", folder / f"{name}_checksums.txt"


def load(folder: Path, name: str) -> Descriptors:
    """Open stored descriptors; their values are memory-mapped.

    Raises:
        GlrError: files are missing, or differ from their checksums (earlier versions wrote no checksums).
    """
    ids, values, checksums = files(folder, name)
    for file in (ids, values):
        if not file.is_file():
            raise GlrError(f"{file}: no such file; expected stored descriptors")
    sums = [storage.checksum(file).encode() for file in (ids, values)]
    if checksums.is_file() and checksums.read_bytes().split()[1:] != sums:
        raise GlrError(f"{values} or {ids.name} is damaged (wrong checksum); {_ANEW}")
    return _opened(ids, values)


def save(folder: Path, name: str, descriptors: Descriptors) -> None:
    """Store descriptors that are in memory."""
    writer = DescriptorWriter(folder, name, len(descriptors.ids), str(descriptors.values.dtype))
    writer.append(descriptors.ids, descriptors.values)
    writer.close()


def check_finite(ids: Sequence[str], values: np.ndarray) -> None:
    """Raise GlrError if a descriptor holds NaN or infinity; the message names its image."""
    for start in range(0, len(values), _ROWS):
        finite = np.isfinite(values[start : start + _ROWS]).all(1)
        if not finite.all():
            raise GlrError(
                f"image {ids[start + int(np.argmin(finite))]}: its descriptor holds NaN or infinity; "
                "the model diverged, or cannot describe this image"
            )


class DescriptorWriter:
    """Writes descriptors batch by batch; continues the files that an earlier writer of the same name left unfinished.

    Until the writer is closed its files end in `.part`. A killed process loses nothing that was appended. After a crash
    of the machine, the next writer detects damaged batches by their checksums; they are written again.

    Args:
        folder: an existing folder; use a separate folder for each model, set and way of describing.
        name: name of the split.
        images: the total number of descriptors to write.
        dtype: float32 or float16.

    Attributes:
        done: the number of descriptors that are stored already.
    """

    def __init__(self, folder: Path, name: str, images: int, dtype: str):
        self._targets = files(folder, name)
        self._parts = [file.with_name(file.name + _PART) for file in self._targets]
        self._images = images
        self._dtype = np.dtype(dtype)
        self._dimension: int | None = None
        self._files = [_open(part) for part in self._parts]
        self.done, self._crcs = self._continued()

    def append(self, ids: Sequence[str], values: np.ndarray) -> None:
        """Add descriptors [n, D].

        Raises:
            GlrError: a descriptor is not finite, or their dimension differs from the earlier descriptors'.
            OSError: the disk is full; the next writer continues what was appended before.
        """
        with np.errstate(over="ignore"):  # of float16: the check below reports it
            values = np.ascontiguousarray(values, self._dtype)
        check_finite(ids, values)
        header = b""
        if self._dimension is None:
            self._dimension = int(values.shape[1])
            header = _header((self._images, self._dimension), self._dtype)
        if values.shape[1] != self._dimension:
            raise GlrError(
                f"image {ids[0]}: descriptors of {values.shape[1]} dimensions follow some of {self._dimension}; "
                "a model must give all images the same number of dimensions"
            )
        lines = "".join(f"{image_id}\n" for image_id in ids).encode()
        rows = header + values.tobytes()
        self._crcs = _extended(self._crcs, lines, rows)
        self.done += len(ids)
        for file, content in zip(self._files, (lines, rows, self._line()), strict=True):
            if file.write(content) != len(content):  # the only sign of a disk that has just filled up
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.name)

    def close(self) -> Descriptors:
        """Sync the files to the disk, give them their final names, and open them.

        Raises:
            GlrError: descriptors are missing.
            OSError: the disk is full.
        """
        if self.done == self._images:
            self._files[2].seek(0)
            self._files[2].truncate()
            self._files[2].write(self._line())
        for file in self._files:
            os.fsync(file.fileno())
            file.close()
        if self.done != self._images:
            raise GlrError(f"{self._parts[1]} holds {self.done} of {self._images} descriptors")
        for part, target in zip(self._parts, self._targets, strict=True):
            part.replace(target)
        return _opened(*self._targets[:2])

    def _line(self) -> bytes:
        return f"{self.done} {' '.join(f'{crc:08x}' for crc in self._crcs)}\n".encode()

    def _continued(self) -> tuple[int, list[int]]:
        """Truncate to the last whole batch and seek to the end; return the rows and the checksums up to there."""
        ids, values, checksums = self._files
        ends, done, crcs, whole = [0, 0, 0], 0, [0, 0], [0, 0]
        names = [name + b"\n" for name in ids.read().split(b"\n")[:-1]]
        shape = _shape(values, self._dtype)
        sound = len(shape) == 2 and shape[0] == self._images
        if sound:
            header = _header(shape, self._dtype)
            values.seek(len(header))
            crcs = _extended(crcs, b"", header)
        for line in checksums.read().splitlines(keepends=True) if sound else []:
            try:
                count, *known = (int(word, 16 if n else 10) for n, word in enumerate(line.split()))
            except ValueError:
                break
            lines = b"".join(names[done:count])
            rows = values.read(max(0, min(count, self._images) - done) * shape[1] * self._dtype.itemsize)
            crcs = _extended(crcs, lines, rows)
            if crcs != known or not line.endswith(b"\n"):
                break
            done, whole = count, crcs
            ends = [ends[0] + len(lines), values.tell(), ends[2] + len(line)]
        for file, end in zip(self._files, ends, strict=True):
            file.truncate(end)
            file.seek(end)
        self._dimension = shape[1] if done else None
        return done, whole


def _open(part: Path) -> BinaryIO:
    # Unbuffered: a killed process would lose the content of Python's buffer.
    return open(part, "r+b" if part.exists() else "w+b", buffering=0)  # noqa: PTH123 (Path.open's type)


def _opened(ids_file: Path, values_file: Path) -> Descriptors:
    try:
        ids = ids_file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        # Copy-on-write: the search needs writeable memory to use it without copying.
        values = np.load(values_file, mmap_mode="c")
    except (ValueError, EOFError) as error:
        raise GlrError(f"{values_file} cannot be read as descriptors ({error}); {_ANEW}") from error
    if values.ndim != 2 or len(values) != len(ids):
        raise GlrError(f"{values_file} has the shape {values.shape}, but {ids_file.name} {len(ids)} ids; {_ANEW}")
    return Descriptors(ids, values)


def _header(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    content = io.BytesIO()
    described = {"shape": shape, "fortran_order": False, "descr": np.lib.format.dtype_to_descr(dtype)}
    np.lib.format.write_array_header_1_0(content, described)
    return content.getvalue()


def _shape(file: BinaryIO, dtype: np.dtype) -> tuple[int, ...]:
    """Return the shape in a file's header; () if it has no header or another type."""
    try:
        np.lib.format.read_magic(file)
        shape, _, stored = np.lib.format.read_array_header_1_0(file)
    except ValueError:
        return ()
    return shape if stored == dtype else ()


def _extended(crcs: Sequence[int], *contents: bytes) -> list[int]:
    return [google_crc32c.extend(crc, content) for crc, content in zip(crcs, contents, strict=True)]
