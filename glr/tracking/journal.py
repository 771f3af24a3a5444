"""A run's journal: every record goes to a local file first, and is sent to MLflow from there."""

import errno
import json
import os
import shutil
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from glr import storage
from glr.config.printing import say
from glr.errors import GlrError
from glr.storage.lock import acquire
from glr.tracking.entries import Damaged, End, Entry, Open, RecordError, as_json, from_json

_ENDING = ".jsonl"


class BusyError(GlrError):
    """Another process holds the journal."""


@dataclass
class Progress:
    """How far a journal has been sent to MLflow.

    Attributes:
        run: id of the MLflow run to which records were sent; None: no record was sent.
        next: number of the first record that was not tried yet.
        later: numbers of earlier records to send later: the store failed on them, but accepted others.
        refused: a line for each record that no store will accept.
    """

    run: str | None = None
    next: int = 0
    later: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


class Journal:
    """The records of one run, in order; one process at a time holds the journal.

    A record is a line with a checksum. If the disk has room, the record is on disk when `append` returns. Opening the
    journal again ignores a last line that a kill cut off; other damaged lines become `Damaged` entries. Copies of files
    lie beside the journal until they are sent.

    Args:
        folder: the folder of all journals, on this machine's disk.
        name: this journal's name.
        wait: seconds to wait for another process that holds the journal.

    Attributes:
        failure: the reason why the latest records are only in memory; None: they are on disk.

    Raises:
        BusyError: another process holds the journal.
        GlrError: the journal cannot be written.
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
        """True if the last record ends the run."""
        return bool(self.entries) and isinstance(self.entries[-1], End)

    def append(self, entry: Entry) -> None:
        """Write a record; while the disk has no room, keep the record in memory, and print a warning once."""
        self.entries.append(entry)
        text = json.dumps(as_json(entry)).encode()
        self._unwritten += b"%08x %b\n" % (zlib.crc32(text), text)
        try:
            os.ftruncate(self._file, self._end)  # drop a record that a kill cut off
            if os.write(self._file, self._unwritten) != len(self._unwritten):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, self._end)  # leave no part of a record
            if self.failure is None:
                self.failure = f"{self.path}: {error.strerror}"
                print(f"{self.failure}; records are kept in memory until there is room", file=sys.stderr)
            return
        self._end += len(self._unwritten)
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
                target.hardlink_to(file.resolve())
            except OSError:  # another file system
                shutil.copyfile(file, target)
        except OSError as error:
            target.unlink(missing_ok=True)
            raise GlrError(f"{target}: {error.strerror}; make room, then start again") from error
        return place

    def kept(self, place: str) -> Path:
        """The file at a place that `keep` returned.

        Raises:
            RecordError: the place is outside of the journal's folder.
        """
        path = self._folder / place
        if not path.resolve().is_relative_to(self._folder.resolve()):
            raise RecordError(f"the place of a file, {place}, is outside of {self._folder}")
        return path

    def sent(self) -> Progress:
        """The progress that `note_sent` saved last; an empty `Progress` if the note is missing or damaged."""
        try:
            note = Progress(**json.loads(self._progress.read_bytes()))
            following = min(max(int(note.next), 0), len(self.entries))
            later = [number for number in map(int, note.later) if 0 <= number < following]
            return Progress(note.run and str(note.run), following, later, list(map(str, note.refused)))
        except (OSError, ValueError, TypeError, OverflowError):
            return Progress()

    def note_sent(self, progress: Progress) -> None:
        """Save the progress. Losing it does no harm: the writer skips records that MLflow already has."""
        with suppress(GlrError):
            storage.write(self._progress, json.dumps(asdict(progress)).encode(), overwrite=True)

    def set_aside(self) -> None:
        """Rename and close a journal with records that MLflow will never accept, so that it is not sent again."""
        aside, number = self.path.with_suffix(".refused"), 1
        while aside.exists():  # an earlier journal of the same run
            number += 1
            aside = self.path.with_suffix(f".refused-{number}")
        self.path = self.path.rename(aside)
        self.close()

    def close(self) -> None:
        """Close the file, which releases its lock."""
        os.close(self._file)

    def remove(self) -> None:
        """Delete the journal and the copies of files, and close the journal."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self.path.unlink(missing_ok=True)
        self.close()

    def _read(self) -> list[Entry]:
        content = self.path.read_bytes()
        # The bytes after the last line end are a cut-off record. Keep them until `append`: the file may be no journal.
        self._end = content.rfind(b"\n") + 1
        return [_entry(line, number) for number, line in enumerate(content[: self._end].split(b"\n")[:-1], start=1)]


def _entry(line: bytes, number: int) -> Entry:
    """The record of a line; lines of earlier versions have no checksum."""
    checksum, _, text = (b"", b"", line) if line.startswith(b"{") else line.partition(b" ")
    if checksum and checksum != b"%08x" % zlib.crc32(text):
        return Damaged(number)
    try:
        return from_json(json.loads(text))
    except (ValueError, RecursionError):
        return Damaged(number)


def is_waiting(folder: Path, name: str) -> bool:
    """Return True if the folder holds a journal of this name that waits to be sent."""
    return (folder / f"{name}{_ENDING}").exists()


def left_behind(folder: Path) -> Iterator[Journal]:
    """Open and yield the journals that no process holds, one by one; print why a journal cannot be opened."""
    for path in sorted(folder.glob(f"*{_ENDING}")):
        try:
            journal = Journal(folder, path.stem, wait=0)
        except BusyError:
            continue
        except GlrError as error:
            say(f"a journal was skipped: {error}", file=sys.stderr)
            continue
        yield journal
