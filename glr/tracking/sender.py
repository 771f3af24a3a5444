"""The thread that sends journals to MLflow, so that training never waits for the tracking server."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice, takewhile
from pathlib import Path

from mlflow import MlflowClient

from glr.config.secrets import redacted
from glr.errors import GlrError
from glr.tracking.entries import Artifact, Continue, Damaged, End, Metrics, Tags, Unreadable
from glr.tracking.journal import Journal, Progress, left_behind
from glr.tracking.store import DeletedError, connect, is_missing, reason
from glr.tracking.writer import RunWriter, is_refusal

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 10.0  # seconds between tries


class Sending:
    """One journal on its way to MLflow.

    The records are sent in their order. One that the store does not take waits, without blocking those behind it; one
    that no store will take is refused.

    Attributes:
        writer: of its run; None: MLflow does not know the run yet.
        trouble: why the last try failed, in a line; None: it succeeded.
        deleted: the trouble is that the run or its study was deleted.
        progress: how far it is.
    """

    def __init__(self, journal: Journal):
        self.journal = journal
        self.writer: RunWriter | None = None
        self.trouble: str | None = None
        self.deleted = False
        self.progress = journal.sent()

    @property
    def unsent(self) -> int:
        """How many records wait."""
        return len(self.journal.entries) - self.progress.next + len(self.progress.later)

    def open(self, client: MlflowClient) -> None:
        """Find or create the run. One that lacks what was sent gets everything: its database was lost or replaced.

        Raises:
            DeletedError: the run or its study was deleted.
            Exception: the store does not answer, or takes nothing.
        """
        writer = RunWriter.opened(client, self.journal.opening, self.progress.run)
        entries = self.journal.entries[: self.progress.next]
        metrics = [entry for number, entry in enumerate(entries) if number not in self.progress.later]
        last = next((entry for entry in reversed(metrics) if isinstance(entry, Metrics)), None)
        if writer.fresh or (last is not None and not writer.has(last)):
            self.progress = Progress()
        begun = [entry.attempt for entry in entries[: self.progress.next] if isinstance(entry, Continue)]
        writer.attempt = begun[-1] if begun else None
        self.progress.run = writer.run_id
        self.writer = writer

    def advance(self, client: MlflowClient) -> bool:
        """Send some records, and return whether any were sent; `trouble` says why not. It raises nothing."""
        try:
            if self.writer is None:
                self.open(client)
            if self.progress.next < len(self.journal.entries):
                count = self._row(self.progress.next)
                self._send(self.progress.next, count)
                self.progress.next += count
            elif not self._send_later():
                return False
            if self.journal.failure is None:  # else the note would count records that are not on disk yet
                self.journal.note_sent(self.progress)
        except Exception as error:  # each kind of store has its own errors, and a journal may hold anything
            self.trouble, self.deleted = reason(error), isinstance(error, DeletedError)
            if is_missing(error):
                self.writer = None  # the database was lost or replaced: look for the run again
            return False
        self.trouble, self.deleted = None, False
        return True

    def _row(self, position: int) -> int:
        """The number of records that are sent together: metrics in a row, else one."""
        row = takewhile(lambda entry: isinstance(entry, Metrics), islice(self.journal.entries, position, None))
        return sum(1 for _ in row) or 1

    def _send(self, position: int, count: int) -> None:
        """Write records, but for those that are refused and those that wait; raises where the store takes none."""
        try:
            self._write(position, count)
        except Exception as error:
            if not self._is_refused(error) and not self._is_passed(position, count):
                raise
            if count > 1:
                self._send(position, count // 2)
                self._send(position + count // 2, count - count // 2)
            elif is_refusal(error):
                self._refuse(error)
            else:
                self.progress.later.append(position)

    def _send_later(self) -> bool:
        """Write one of the records that wait, and return whether the store took or refused one."""
        for position in self.progress.later:
            try:
                self._write(position, 1)
            except Exception as error:
                if not self._is_refused(error):
                    self.trouble = reason(error)
                    continue
                self._refuse(error)
            self.progress.later.remove(position)
            return True
        return False

    def _write(self, position: int, count: int) -> None:
        assert self.writer
        entries = self.journal.entries[position : position + count]
        if isinstance(entry := entries[0], Metrics):
            self.writer.write_metrics(entry for entry in entries if isinstance(entry, Metrics))
        elif isinstance(entry, Artifact):
            file = self.journal.kept(entry.place)
            if file.exists():  # else it was stored, and a kill lost the note of it
                self.writer.store(file, entry.folder)
                file.unlink()
        elif isinstance(entry, Tags):  # it may have waited, and later values stay
            newer = self.journal.entries[position + 1 : self.progress.next]
            set_since = {key for each in newer if isinstance(each, Tags | Continue | End) for key in each.values}
            self.writer.write(Tags({key: value for key, value in entry.values.items() if key not in set_since}))
        else:
            self.writer.write(entry)

    def _is_refused(self, error: Exception) -> bool:
        """Return whether no store will take the record; raises if it is the run that MLflow does not have."""
        if is_refusal(error):
            assert self.writer
            self.writer.verify()
            return True
        return False

    def _refuse(self, error: Exception) -> None:
        self.progress.refused.append(reason(error))

    def _is_passed(self, position: int, count: int) -> bool:
        """Return whether records that failed may wait: the store takes another one, so it is not away."""
        assert self.writer
        entries = self.journal.entries
        if isinstance(entries[position], Artifact | Unreadable):
            return True  # metrics need not wait for room for files
        if isinstance(entries[position], Continue | End):
            return False  # they set the status, whose order counts
        for entry in islice(entries, position + count, None):
            if not isinstance(entry, Artifact | Continue | Unreadable | Damaged):
                try:
                    self.writer.write(entry)  # it is written again in its turn, which changes nothing
                except Exception as error:
                    return is_refusal(error)
                return True
        return False


class Sender(threading.Thread):
    """Sends a run's journal while it grows, and the journals that dead runs left behind.

    Args:
        uri: of the store.
        journal: of the run.
        patience: seconds for which `finish` tries again while everything fails.
    """

    def __init__(self, uri: str, journal: Journal, patience: float):
        super().__init__(name="sender", daemon=True)
        self.sending = Sending(journal)
        self._uri = uri
        self.patience = patience
        self._news = threading.Event()
        self._closing = threading.Event()
        self._given_up = threading.Event()
        self.tried = threading.Event()  # the store was asked for the run once
        self._failing: float | None = None  # since when
        self._client: MlflowClient | None = None

    def notify(self) -> None:
        """Wake the thread: there are new records."""
        self._news.set()

    def finish(self) -> bool:
        """Wait until everything is sent or has failed for `patience` seconds, and return whether all is sent.

        A large file that takes longer is waited for: patience counts failures only. A deleted run is not waited for.
        """
        self._failing = None
        self._closing.set()
        self._news.set()
        while self.is_alive() and not (self._failing is not None and self._is_hopeless(self._failing)):
            self.join(0.05)
        self._given_up.set()
        self.join(0.5)  # it may wait longer for an answer
        return not self.is_alive() and self.sending.unsent == 0

    def _is_hopeless(self, since: float) -> bool:
        return self.sending.deleted or time.monotonic() - since >= self.patience

    def run(self) -> None:
        """Send until `finish` is called, then close the journal: it outlives whatever happens here."""
        try:
            self._send()
        finally:
            self._closing.wait()
            settle(self.sending)

    def _send(self) -> None:
        wait, rest = _FIRST_WAIT, self._others()
        while True:
            self._news.clear()
            progress = self._advance(self.sending)
            self.tried.set()
            if progress:
                self._failing, wait = None, _FIRST_WAIT
            elif self.sending.unsent == 0 and self._closing.is_set():
                return
            elif self.sending.trouble is not None:
                self._failing = self._failing or time.monotonic()
            # Take turns with the run's own records: more of those may always come.
            if self.sending.trouble is None and not self._closing.is_set():
                progress = next(rest, False) or progress
            if progress:
                continue
            if self.sending.unsent == 0:
                self._news.wait()
            elif not self._closing.is_set():
                self._closing.wait(wait)
            elif self._given_up.wait(min(wait, 1.0)):
                return  # the process no longer waits for this thread
            wait = min(2 * wait, _LONGEST_WAIT)

    def _advance(self, sending: Sending) -> bool:
        try:
            self._client = self._client or connect(self._uri)
        except Exception as error:  # whatever it is, the records wait
            sending.trouble = reason(error)
            return False
        return sending.advance(self._client)

    def _others(self) -> Iterator[bool]:
        """Send the journals that dead runs left, a step at a time."""
        with suppress(Exception):  # the folder may be gone
            for journal in left_behind(self.sending.journal.path.parent):
                with suppress(Exception):  # a corrupt journal must not block the others
                    yield from _steps(Sending(journal), self._uri, self._advance)


def send_left_behind(folder: Path, uri: str) -> tuple[int, list[str]]:
    """Send all journals of a folder whose processes are gone, and mark runs without an end as KILLED.

    Args:
        folder: of the journals.
        uri: of the store.

    Returns:
        The number of journals that were sent, and a line for each that was not.

    Raises:
        GlrError: the store cannot be opened.
    """
    client = connect(uri)
    sent, left = 0, []
    for journal in left_behind(folder):
        try:
            sending = Sending(journal)
            for _ in _steps(sending, uri, lambda sending: sending.advance(client)):
                pass
        except GlrError as error:
            left.append(f"{journal.path} is no journal ({error})")
            continue
        if sending.unsent:
            left.append(f"{journal.path}: {sending.unsent} records wait ({sending.trouble})")
        elif refused := sending.progress.refused:
            left.append(f"{journal.path}: all records were sent but {len(refused)} ({refused[0]})")
        else:
            sent += 1
    return sent, left


def _steps(sending: Sending, uri: str, advance: Callable[[Sending], bool]) -> Iterator[bool]:
    journal = sending.journal
    if not journal.entries:
        journal.remove()  # killed before its first record
        return
    if (own := journal.opening.uri) != redacted(uri):
        journal.close()
        sending.trouble = f"it belongs to another store: give tracking.uri={own}"
        return
    if not journal.ended:
        journal.append(End("KILLED", {"failure": "the process was killed"}))
    try:
        while advance(sending):
            yield True
    finally:
        settle(sending)


def settle(sending: Sending) -> None:
    """Close a journal: delete it if all of it was sent, else keep it."""
    if sending.unsent:
        sending.journal.close()
    elif sending.progress.refused:
        sending.journal.set_aside()
    else:
        sending.journal.remove()
