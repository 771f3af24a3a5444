"""Rows of an index: descriptors, each with an id and the stamp of its file, in a folder whose name verifies it.

What such a folder holds is data: its ids are checked, and nothing in it is run.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from glr import storage
from glr.errors import GlrError
from glr.retrieval import descriptors
from glr.retrieval.descriptors import DescriptorWriter, check_finite
from glr.storage.paths import explained

NAME = "images"  # of the files of `glr.retrieval.descriptors`
_FILES, _UNREADABLE = "files.json", "unreadable.jsonl"
_BLOCK = 16_384  # rows copied at once


class DamagedIndexError(GlrError):
    """Files of an index are missing, or their content is damaged or forged; reading them again does not help."""


class Rows(NamedTuple):
    """Descriptors of images.

    ids: N ids, unique; that of a folder's file is its path relative to the folder.
    stamps: N stamps of `glr.data.image_folder`; empty: the image is no file of the folder.
    values: descriptors float32 or float16 [N, D], in memory or memory-mapped.
    unreadable: path -> (stamp, reason) of each file that could not be decoded.
    """

    ids: list[str]
    stamps: list[str]
    values: np.ndarray
    unreadable: dict[str, tuple[str, str]]


EMPTY = Rows([], [], np.empty((0, 0), np.float32), {})


class Part(NamedTuple):
    """Some rows: their positions in `rows`, and the unreadable files among those that the part stands for."""

    rows: Rows
    positions: list[int]
    unreadable: dict[str, tuple[str, str]]

    @classmethod
    def of(cls, rows: Rows) -> "Part":
        """All of the rows."""
        return cls(rows, list(range(len(rows.ids))), rows.unreadable)

    @classmethod
    def unchanged(cls, rows: Rows, files: Mapping[str, str]) -> "Part":
        """The rows of these files, path -> stamp, and those of no file whose id is not a path of these.

        Unreadable files are left out, to be tried again: the disk may have failed, not the file.
        """
        positions = [
            place for place, (image_id, stamp) in enumerate(zip(rows.ids, rows.stamps, strict=True))
            if files.get(image_id, "") == stamp
        ]  # fmt: skip
        return cls(rows, positions, {})

    def files(self) -> set[str]:
        """The paths of the files that the part stands for."""
        return {self.rows.ids[place] for place in self.positions if self.rows.stamps[place]} | self.unreadable.keys()


def begin(folder: Path, files: Mapping[str, str]) -> None:
    """Begin the folder of the rows of some files, path -> stamp, into which their descriptors are extracted."""
    folder.mkdir(parents=True, exist_ok=True)
    storage.write(folder / _FILES, json.dumps(files).encode(), overwrite=True)
    (folder / _UNREADABLE).touch()


def mark(folder: Path, path: str, reason: str) -> None:
    """Record, before its row is written, that a file is unreadable."""
    with (folder / _UNREADABLE).open("ab") as file:
        file.write(json.dumps([path, reason]).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def is_complete(folder: Path) -> bool:
    """Return True if all descriptors of a folder were written."""
    return all(file.is_file() for file in descriptors.files(folder, NAME))


def digest(folder: Path) -> str:
    """The digest of a folder's small files, among them the checksums of the others: 20 hexadecimal digits."""
    state = hashlib.blake2b(digest_size=10)
    for file in (folder / _FILES, folder / _UNREADABLE, descriptors.files(folder, NAME)[2]):
        state.update(hashlib.blake2b(storage.read(file)).digest())
    return state.hexdigest()


def load(folder: Path) -> Rows:
    """Open rows; their values are memory-mapped, unless some of them stand for unreadable files.

    Raises:
        DamagedIndexError: files are missing, damaged or forged, or a descriptor is not finite.
        GlrError: a file cannot be read.
    """
    try:
        with explained(folder):
            return _loaded(folder)
    except (GlrError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        if is_outage(error):
            raise
        raise DamagedIndexError(f"{folder}: {error}") from error


def is_outage(error: BaseException) -> bool:
    """Return True if the operating system could not read a file, so that a later attempt may succeed."""
    damage = FileNotFoundError, IsADirectoryError, NotADirectoryError
    return isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, damage)


def _loaded(folder: Path) -> Rows:
    files = json.loads(storage.read(folder / _FILES))
    lines = storage.read(folder / _UNREADABLE).splitlines()
    reasons = {str(path): str(reason) for path, reason in map(json.loads, lines)}
    ids, values = descriptors.load(folder, NAME)
    if len({*ids, *reasons}) != len(ids) + len(reasons.keys() - ids) or values.dtype.char not in "fe":
        raise GlrError("an id appears twice, or the descriptors are of another type")
    stamps = {_safe(path): str(stamp) for path, stamp in files.items()}
    unreadable = {path: (stamps[path], reason) for path, reason in reasons.items()}
    kept = [place for place, image_id in enumerate(ids) if image_id not in unreadable]
    if len(kept) < len(ids):
        ids, values = [ids[place] for place in kept], values[kept]
    check_finite(ids, values)
    return Rows(ids, [stamps.get(image_id, "") for image_id in ids], values, unreadable)


def _safe(path: str) -> str:
    if PurePosixPath(path).is_absolute() or {"..", ""} & set(path.split("/")) or "\0" in path:
        raise GlrError(f"{path!a} is no path inside a folder")
    return path


def save(folder: Path, parts: Sequence[Part], dtype: str) -> None:
    """Store rows, those of files sorted by path, the others behind them; there may be more than memory holds.

    Args:
        folder: an empty folder.
        parts: the rows, at least one.
        dtype: float32 or float16.

    Raises:
        OSError: the disk is full.
    """
    order = _order(parts)
    unreadable = {path: entry for part in parts for path, entry in part.unreadable.items()}
    stamped = {parts[part].rows.ids[row]: stamp for part, row in order if (stamp := parts[part].rows.stamps[row])}
    begin(folder, stamped | {path: stamp for path, (stamp, _) in unreadable.items()})
    text = "".join(f"{json.dumps([path, reason])}\n" for path, (_, reason) in sorted(unreadable.items()))
    storage.write(folder / _UNREADABLE, text.encode(), overwrite=True)
    writer = DescriptorWriter(folder, NAME, len(order), dtype)
    for ids, values in _blocks(parts, order):
        writer.append(ids, values)
    writer.close()


def joined(parts: Sequence[Part]) -> Rows:
    """Join rows in memory, at least one, in the order of `save`.

    Raises:
        GlrError: a descriptor holds NaN or infinity.
    """
    order = _order(parts)
    blocks = list(_blocks(parts, order))
    ids = [image_id for names, _ in blocks for image_id in names]
    values = np.concatenate([values for _, values in blocks])
    check_finite(ids, values)
    stamps = [parts[part].rows.stamps[row] for part, row in order]
    return Rows(ids, stamps, values, {path: entry for part in parts for path, entry in part.unreadable.items()})


def _order(parts: Sequence[Part]) -> list[tuple[int, int]]:
    """(part, row) of each row: those of files sorted by path, the others behind them, as they were added."""
    every = [(number, row) for number, part in enumerate(parts) for row in part.positions]
    files = [(part, row) for part, row in every if parts[part].rows.stamps[row]]
    files.sort(key=lambda place: parts[place[0]].rows.ids[place[1]])
    return files + [(part, row) for part, row in every if not parts[part].rows.stamps[row]]


def _blocks(parts: Sequence[Part], order: Sequence[tuple[int, int]]) -> Iterator[tuple[list[str], np.ndarray]]:
    """Yield ids and values of the rows in this order, block by block."""
    for start in range(0, len(order), _BLOCK):
        block = np.array(order[start : start + _BLOCK])
        like = parts[block[0, 0]].rows.values
        values = np.empty((len(block), like.shape[1]), like.dtype)
        for part in np.unique(block[:, 0]):
            places = np.flatnonzero(block[:, 0] == part)
            values[places] = parts[part].rows.values[block[places, 1]]
        yield [parts[part].rows.ids[row] for part, row in block], values
