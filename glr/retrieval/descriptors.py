"""Descriptors on disk: a matrix to be memory-mapped, and the ids of its rows; written batch by batch, and continued."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from glr.errors import GlrError

_PART = ".part"


class Descriptors(NamedTuple):
    """Ids of N images, and their descriptors [N, D], in memory or memory-mapped."""

    ids: list[str]
    values: np.ndarray


def files(folder: Path, name: str) -> tuple[Path, Path]:
    """The two files: `<name>_ids.txt`, an id a line, and `<name>_descriptors.npy`."""
    return folder / f"{name}_ids.txt", folder / f"{name}_descriptors.npy"


def load(folder: Path, name: str) -> Descriptors:
    """Open stored descriptors; their values are memory-mapped.

    Raises:
        GlrError: they are missing or damaged.
    """
    ids_file, values_file = files(folder, name)
    try:
        ids = ids_file.read_text().splitlines()
        # Private copies of what is written to, so that the search can take the memory as it is.
        values = np.load(values_file, mmap_mode="c")
    except FileNotFoundError as error:
        raise GlrError(f"{error.filename}: no such file; descriptors were expected there") from error
    except ValueError as error:
        raise GlrError(f"{values_file} cannot be read as descriptors ({error})") from error
    if values.ndim != 2 or len(values) != len(ids):
        raise GlrError(f"{values_file} has the shape {values.shape}, but {ids_file.name} {len(ids)} ids")
    return Descriptors(ids, values)


def save(folder: Path, name: str, descriptors: Descriptors) -> None:
    """Store descriptors that are in memory."""
    writer = DescriptorWriter(folder, name, len(descriptors.ids), str(descriptors.values.dtype))
    writer.append(descriptors.ids, descriptors.values)
    writer.close()


class DescriptorWriter:
    """Writes descriptors as they come. What an earlier writer of the same name left unfinished is kept and continued.

    Until it is closed its files end in `.part`. A process that is killed loses nothing that was appended.

    Args:
        folder: must exist. It has to be another one for each model, set and way of describing.
        name: of the split.
        images: how many descriptors there will be.
        dtype: float32 or float16.

    Attributes:
        done: how many descriptors are there already.
    """

    def __init__(self, folder: Path, name: str, images: int, dtype: str):
        self._targets = files(folder, name)
        self._parts = [file.with_name(file.name + _PART) for file in self._targets]
        self._images = images
        self._dtype = np.dtype(dtype)
        self._dimension: int | None = None
        self._ids, self._values = (self._open(part) for part in self._parts)
        self.done = self._continued()
        if not self.done:
            for file in (self._ids, self._values):
                file.seek(0)
                file.truncate()

    def append(self, ids: Sequence[str], values: np.ndarray) -> None:
        """Add descriptors [n, D].

        Raises:
            GlrError: their dimension is another one than before.
        """
        if self._dimension is None:
            self._dimension = values.shape[1]
            header = {"descr": self._dtype.str, "fortran_order": False, "shape": (self._images, self._dimension)}
            np.lib.format.write_array_header_1_0(self._values, header)
        if values.shape[1] != self._dimension:
            raise GlrError(f"descriptors of {values.shape[1]} dimensions follow some of {self._dimension}")
        self._ids.write("".join(f"{image_id}\n" for image_id in ids).encode())
        self._values.write(np.ascontiguousarray(values, self._dtype).data)
        self.done += len(ids)

    def close(self) -> Descriptors:
        """Give the files their names and open them.

        Raises:
            GlrError: descriptors are missing.
        """
        for file in (self._ids, self._values):
            file.close()
        if self.done != self._images:
            raise GlrError(f"{self._parts[1]} holds {self.done} of {self._images} descriptors")
        for part, target in zip(self._parts, self._targets, strict=True):
            part.replace(target)
        return load(self._targets[0].parent, self._targets[0].name.removesuffix("_ids.txt"))

    def _open(self, part: Path) -> BinaryIO:
        # Without a buffer of Python's own, which would be lost with the process.
        return open(part, "r+b" if part.exists() else "w+b", buffering=0)  # noqa: PTH123 (Path.open's type)

    def _continued(self) -> int:
        """Truncate to the last complete row and seek to the end."""
        try:
            np.lib.format.read_magic(self._values)
            shape, _, dtype = np.lib.format.read_array_header_1_0(self._values)
        except ValueError:  # nothing, or not even a whole header
            return 0
        if len(shape) != 2 or shape[0] != self._images or dtype != self._dtype:
            return 0
        start, row = self._values.tell(), shape[1] * dtype.itemsize
        lines = self._ids.read().split(b"\n")[:-1]
        done = min(len(lines), (self._values.seek(0, 2) - start) // row)
        for file, end in ((self._ids, sum(len(line) + 1 for line in lines[:done])), (self._values, start + done * row)):
            file.truncate(end)
            file.seek(end)
        if done:
            self._dimension = shape[1]
        return done
