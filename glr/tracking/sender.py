"""The thread that sends journals to MLflow, so that training never waits for the tracking server."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from mlflow import MlflowClient

from glr.config.secrets import redacted
from glr.errors import GlrError
from glr.tracking.entries import End
from glr.tracking.journal import Journal, left_behind
from glr.tracking.sending import Sending
from glr.tracking.store import connect, reason

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 10.0  # seconds between tries


class Sender(threading.Thread):
    """Sends a run's journal while it grows, and the journals that killed processes left.

    Args:
        uri: address of the store.
        journal: the run's journal.
        patience: seconds for which `finish` keeps trying while every try fails.
    """

    def __init__(self, uri: str, journal: Journal, patience: float):
        super().__init__(name="sender", daemon=True)
        self.sending = Sending(journal)
        self._uri = uri
        self.patience = patience
        self._news = threading.Event()
        self._closing = threading.Event()
        self._given_up = threading.Event()
        self.tried = threading.Event()  # set after the store was first asked for the run
        self._failing: float | None = None  # time of the first of the current failures
        self._client: MlflowClient | None = None

    def notify(self) -> None:
        """Wake the thread: there are new records."""
        self._news.set()

    def finish(self) -> bool:
        """Wait until everything is sent or has failed for `patience` seconds, and return whether all is sent.

        It waits longer for a large file: patience counts failures only. It does not wait for a deleted run.
        """
        self._failing = None
        self._closing.set()
        self._news.set()
        while self.is_alive() and not (self._failing is not None and self._is_hopeless(self._failing)):
            self.join(0.05)
        self._given_up.set()
        self.join(0.5)  # the thread may still wait for an answer
        return not self.is_alive() and self.sending.unsent == 0

    def _is_hopeless(self, since: float) -> bool:
        return self.sending.deleted or time.monotonic() - since >= self.patience

    def run(self) -> None:
        """Send until `finish` is called, then close the journal; after an error, it stays open until then, too."""
        try:
            self._send()
        finally:
            self._closing.wait()
            self.sending.settle()

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
            # Alternate between the run's own records, which may never end, and other journals.
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
        except Exception as error:  # after any error the records wait
            sending.trouble = reason(error)
            return False
        return sending.advance(self._client)

    def _others(self) -> Iterator[bool]:
        """Send the journals that killed processes left, a step at a time."""
        with suppress(Exception):  # the folder may be gone
            for journal in left_behind(self.sending.journal.path.parent):
                with suppress(Exception):  # a corrupt journal must not block the others
                    yield from _steps(Sending(journal), self._uri, self._advance)


def send_left_behind(folder: Path, uri: str) -> tuple[int, list[str]]:
    """Send all journals of a folder whose processes are gone, and mark runs without an end as KILLED.

    Args:
        folder: the folder of the journals.
        uri: address of the store.

    Returns:
        The number of journals that were sent, and a line for each journal that was not.

    Raises:
        GlrError: the store cannot be opened.
    """
    client = connect(uri)
    sent, left = 0, []
    for journal in left_behind(folder):
        if not journal.entries:
            journal.close()
            continue
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
        journal.close()  # killed before its first record, or not a journal
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
        sending.settle()
