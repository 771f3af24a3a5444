"""A run's journal: every record goes to a local file first, and is sent to MLflow from there."""

import errno
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from glr import storage
from glr.errors import GlrError
from glr.storage.lock import acquire
from glr.tracking.entries import End, Entry, Open, as_json, from_json

_ENDING = ".jsonl"


class BusyError(GlrError):
    """Another process holds the journal."""


class Journal:
    """The records of one run, in order; one process at a time holds them.

    If there is room, a record is on disk when `append` returns. Opening the journal again drops a last line that a kill
    cut off. Copies of files lie beside the journal until they are sent.

    Args:
        folder: of all journals, on this machine's disk.
        name: of this journal.
        wait: seconds to wait for another process that holds it.

    Attributes:
        failure: why the latest records are in memory only; None: they are on disk.

    Raises:
        BusyError: another process holds it.
        GlrError: it cannot be written.
    """

    def __init__(self, folder: Path, name: str, *, wait: float = 30.0):
        self.name = name
        self.path = folder / f"{name}{_ENDING}"
        self._folder = folder / name
        self._progress = self._folder / "sent.json"
        self._unwritten = b""
        self.failure: str | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = acquire(self.path, wait)
            try:
                self.entries: list[Entry] = self._read()
            except BaseException:
                os.close(self._file)
                raise
        except BlockingIOError as error:
            raise BusyError(f"{self.path} is in use by another process") from error
        except OSError as error:
            raise GlrError(f"{self.path}: {error.strerror}; make room, or give another tracking.journal") from error

    @property
    def opening(self) -> Open:
        """The first record.

        Raises:
            GlrError: the file is no journal.
        """
        if self.entries and isinstance(first := self.entries[0], Open):
            return first
        raise GlrError(f"the first record of {self.path} opens no run; move the file away")

    @property
    def ended(self) -> bool:
        """True if the last record tells the end of the run."""
        return bool(self.entries) and isinstance(self.entries[-1], End)

    def append(self, entry: Entry) -> None:
        """Write a record; while the disk has no room, keep it in memory, and say so once."""
        self.entries.append(entry)
        self._unwritten += json.dumps(as_json(entry)).encode() + b"\n"
        end = os.fstat(self._file).st_size
        try:
            if os.write(self._file, self._unwritten) != len(self._unwritten):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, end)  # leave no part of a record
            if self.failure is None:
                self.failure = f"{self.path}: {error.strerror}"
                print(f"{self.failure}; what is recorded is kept in memory until there is room", file=sys.stderr)
            return
        self._unwritten, self.failure = b"", None

    def keep(self, file: Path | bytes, name: str) -> str:
        """Copy a file (by a hard link, if possible) or bytes beside the journal, and return the place of the copy.

        Raises:
            GlrError: the disk has no room.
        """
        place = f"{len(self.entries):06d}/{name}"
        target = self._folder / place
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            if isinstance(file, bytes):
                target.write_bytes(file)
                return place
            try:
                target.hardlink_to(file)
            except OSError:  # another file system
                shutil.copyfile(file, target)
        except OSError as error:
            target.unlink(missing_ok=True)
            raise GlrError(f"{target}: {error.strerror}; make room, then start again") from error
        return place

    def kept(self, place: str) -> Path:
        """The file at a place that `keep` returned."""
        return self._folder / place

    def sent(self) -> dict[str, Any]:
        """The latest note of `note_sent`; {} at first."""
        with suppress(OSError, ValueError):
            return json.loads(self._progress.read_bytes())
        return {}

    def note_sent(self, progress: dict[str, Any]) -> None:
        """Note how far the sending is. A kill may lose the note: the writer skips records that MLflow has already."""
        with suppress(GlrError):
            storage.write(self._progress, json.dumps(progress).encode(), overwrite=True)

    def set_aside(self) -> None:
        """Rename and close a journal that MLflow will never take as a whole: nobody sends it again."""
        self.path.rename(self.path.with_suffix(".refused"))
        self.close()

    def close(self) -> None:
        """Close the file, which unlocks it."""
        os.close(self._file)

    def remove(self) -> None:
        """Delete the journal, and close it."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self.path.unlink(missing_ok=True)
        self.close()

    def _read(self) -> list[Entry]:
        content = self.path.read_bytes()
        entries: list[Entry] = []
        end = 0
        for line in content.splitlines(keepends=True):
            try:
                entries.append(from_json(json.loads(line if line.endswith(b"\n") else b"")))
            except ValueError:
                break  # a kill or a crash of the machine cut it off: drop it and all behind it
            end += len(line)
        os.ftruncate(self._file, end)
        return entries


def is_there(folder: Path, name: str) -> bool:
    """Whether a journal waits to be sent."""
    return (folder / f"{name}{_ENDING}").exists()


def left_behind(folder: Path) -> Iterator[Journal]:
    """Open, one after the other, the journals that no process holds; print why one cannot be opened."""
    for path in sorted(folder.glob(f"*{_ENDING}")):
        try:
            journal = Journal(folder, path.stem, wait=0)
        except BusyError:
            continue
        except GlrError as error:
            print(f"left alone: {error}", file=sys.stderr)
            continue
        yield journal
