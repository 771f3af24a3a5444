"""The thread that sends journals to MLflow, so that training never waits for the tracking server."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from mlflow import MlflowClient

from glr.config.secrets import redacted
from glr.errors import GlrError
from glr.tracking.entries import Artifact, Continue, End, Metrics
from glr.tracking.journal import Journal, left_behind
from glr.tracking.store import connect, reason
from glr.tracking.writer import RunWriter, is_refusal

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 10.0  # seconds between tries


class Sending:
    """One journal on its way to MLflow.

    Attributes:
        writer: of its run; None: MLflow does not know the run yet.
        trouble: why the last try failed, in a line; None: it succeeded.
        refused: a line for each record that MLflow will never take.
    """

    def __init__(self, journal: Journal):
        self.journal = journal
        self.writer: RunWriter | None = None
        self.trouble: str | None = None
        self.refused: list[str] = []
        noted = journal.sent()
        self._next = min(int(noted.get("next", 0)), len(journal.entries))
        self._later: list[int] = list(noted.get("later", []))  # files that could not be stored yet

    @property
    def unsent(self) -> int:
        """How many records wait."""
        return len(self.journal.entries) - self._next + len(self._later)

    def advance(self, client: MlflowClient) -> bool:
        """Send some records, and return whether any were sent; `trouble` says why not. It raises nothing."""
        entries = self.journal.entries
        try:
            if self.writer is None:
                writer = RunWriter.opened(client, self.journal.opening)
                begun = [entry.attempt for entry in entries[: self._next] if isinstance(entry, Continue)]
                writer.attempt = begun[-1] if begun else None
                self.writer = writer
            if self._next < len(entries):
                self._send(self._next)
            elif self._later:
                self._store(self._later[0])
                self._later.pop(0)
            else:
                return False
        except Exception as error:  # each kind of store has its own errors, and a journal may hold anything
            self.trouble = reason(error)
            return False
        self.trouble = None
        if self.journal.failure is None:  # else the note would count records that are not on disk yet
            self.journal.note_sent({"next": self._next, "later": self._later})
        return True

    def _send(self, position: int) -> None:
        assert self.writer
        entries = self.journal.entries
        if isinstance(entries[position], Artifact):
            try:
                self._store(position)
            except Exception as error:
                self.trouble = reason(error)
                self._later.append(position)  # metrics need not wait for room for files
            self._next = position + 1
            return
        metrics: list[Metrics] = []
        for entry in islice(entries, position, None):
            if not isinstance(entry, Metrics):
                break
            metrics.append(entry)
        try:
            if metrics:
                self.writer.write_metrics(metrics)
            else:
                self.writer.write(entries[position])
        except Exception as error:
            if not is_refusal(error):
                raise
            self.refused.append(reason(error))
        self._next += len(metrics) or 1

    def _store(self, position: int) -> None:
        entry = self.journal.entries[position]
        assert self.writer
        assert isinstance(entry, Artifact)
        file = self.journal.kept(entry.place)
        if file.exists():  # else it was stored, and a kill lost the note of it
            self.writer.store(file, entry.folder)
            file.unlink()


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
        self._failing: float | None = None  # since when
        self._client: MlflowClient | None = None

    def notify(self) -> None:
        """Wake the thread: there are new records."""
        self._news.set()

    def finish(self) -> bool:
        """Wait until everything is sent or has failed for `patience` seconds, and return whether all is sent.

        A large file that takes longer is waited for: patience counts failures only.
        """
        self._failing = None
        self._closing.set()
        self._news.set()
        while self.is_alive() and (self._failing is None or time.monotonic() - self._failing < self.patience):
            self.join(0.05)
        self._given_up.set()
        self.join(0.5)  # it may wait longer for an answer
        return not self.is_alive() and self.sending.unsent == 0

    def run(self) -> None:
        """Send until `finish` is called, then close the journal."""
        try:
            self._send()
        finally:
            settle(self.sending)

    def _send(self) -> None:
        wait, rest = _FIRST_WAIT, self._others()
        while True:
            self._news.clear()
            progress = self._advance(self.sending)
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
        except GlrError as error:
            sending.trouble = redacted(str(error))
            return False
        return sending.advance(self._client)

    def _others(self) -> Iterator[bool]:
        """Send the journals that dead runs left, a step at a time."""
        folder = self.sending.journal.path.parent
        for journal in left_behind(folder):
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
        except (GlrError, AttributeError, TypeError, ValueError) as error:
            left.append(f"{journal.path} is no journal ({error})")
            continue
        if sending.unsent or sending.refused:
            left.append(f"{journal.path}: {sending.unsent} records wait ({sending.trouble or sending.refused[0]})")
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
    elif sending.refused:
        sending.journal.set_aside()
    else:
        sending.journal.remove()
