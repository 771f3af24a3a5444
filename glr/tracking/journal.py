"""A run's journal: every record in a local file first, whatever the tracking server does; sent from there."""

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
from glr.lock import acquire

Entry = dict[str, Any]  # what `glr.tracking.writer` writes into MLflow; "kind" says which

_ENDING = ".jsonl"


class BusyError(GlrError):
    """Another process holds the journal."""


class Journal:
    """The records of one run, in order, held by one process at a time.

    A record is on disk when `append` returns, if there is room; a last line that a kill cut off is dropped when the
    journal is opened again. Files are copied beside the journal until they have been sent.

    Args:
        folder: of all journals, on this machine's disk.
        name: of this one.
        wait: seconds to wait for another process that holds it.

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
        self.failure: str | None = None  # why the latest records are in memory only
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
    def ended(self) -> bool:
        """Whether the last process that wrote here said how the run ended."""
        return bool(self.entries) and self.entries[-1]["kind"] == "end"

    def append(self, entry: Entry) -> None:
        """Write a record; while there is no room for it, keep it in memory, and say so once."""
        self.entries.append(entry)
        self._unwritten += json.dumps(entry).encode() + b"\n"
        end = os.fstat(self._file).st_size
        try:
            if os.write(self._file, self._unwritten) != len(self._unwritten):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, end)  # no part of a record is left
            if self.failure is None:
                self.failure = f"{self.path}: {error.strerror}"
                print(f"{self.failure}; what is recorded is kept in memory until there is room", file=sys.stderr)
            return
        self._unwritten, self.failure = b"", None

    def keep(self, file: Path | bytes, name: str) -> str:
        """Copy a file (by a hard link, where that is possible) or bytes to where they wait to be sent: the place.

        Raises:
            GlrError: there is no room for it.
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
        """The file that `keep` put there."""
        return self._folder / place

    def sent(self) -> dict[str, Any]:
        """What has been noted of the sending; {} at first."""
        with suppress(OSError, ValueError):
            return json.loads(self._progress.read_bytes())
        return {}

    def note_sent(self, progress: dict[str, Any]) -> None:
        """Note how far the sending is; what a kill forgets is sent again, and is then found to be there already."""
        with suppress(GlrError):
            storage.write(self._progress, json.dumps(progress).encode(), overwrite=True)

    def set_aside(self) -> None:
        """Let go of a journal of which MLflow will never take everything; nobody tries again, nothing is deleted."""
        self.path.rename(self.path.with_suffix(".refused"))
        self.close()

    def close(self) -> None:
        """Let go of the journal."""
        os.close(self._file)

    def remove(self) -> None:
        """Delete the journal, all of it having been sent, and let go of it."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self.path.unlink(missing_ok=True)
        self.close()

    def _read(self) -> list[Entry]:
        content = self.path.read_bytes()
        entries: list[Entry] = []
        end = 0
        for line in content.splitlines(keepends=True):
            try:
                entries.append(json.loads(line if line.endswith(b"\n") else b""))
            except ValueError:
                break  # cut off by a kill or a crash of the machine: nothing behind it counts
            end += len(line)
        os.ftruncate(self._file, end)
        return entries


def is_there(folder: Path, name: str) -> bool:
    """Whether a journal waits to be sent."""
    return (folder / f"{name}{_ENDING}").exists()


def left_behind(folder: Path) -> Iterator[Journal]:
    """Open, one after the other, the journals that no living process holds; of one that cannot be opened it is said."""
    for path in sorted(folder.glob(f"*{_ENDING}")):
        try:
            journal = Journal(folder, path.stem, wait=0)
        except BusyError:
            continue
        except GlrError as error:
            print(f"left alone: {error}", file=sys.stderr)
            continue
        yield journal
