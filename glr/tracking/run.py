"""An open run: its start, its journal and its end."""

import os
import secrets
import shlex
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from glr.config.printing import say
from glr.config.schema import Tracking
from glr.config.secrets import redacted
from glr.config.signals import received
from glr.errors import NO_ROOM, PREEMPTED, DivergedError, GlrError, in_words
from glr.tracking.description import VIEW
from glr.tracking.entries import Artifact, Continue, End, Entry, Metrics, Open, as_json
from glr.tracking.environment import module, user
from glr.tracking.journal import Journal
from glr.tracking.recorder import Recorder
from glr.tracking.sender import Sender
from glr.tracking.store import check_place, connect, pages, reason
from glr.tracking.system import PREFIX, SystemMetrics
from glr.tracking.writer import JOURNAL

# The environment variable that gives the parent run's id to the jobs.
PARENT_VARIABLE = "GLR_PARENT_RUN_ID"
_LONGEST = 240  # characters of a name; a database's limit is 250, and a name that is taken gets a number
_FIRST_TRY = 10.0  # seconds to wait for the store's first answer, which may be that the run was deleted


class LostError(GlrError):
    """The run has ended, but MLflow does not have it: its records are only in the journal."""


class Run(Recorder):
    """An open run: each record is in the journal at once, and in MLflow soon after."""

    def __init__(self, journal: Journal, sender: Sender):
        self._journal = journal
        self._opening = journal.opening
        self._sender = sender
        self._lock = threading.Lock()  # system metrics come from another thread

    @property
    def id(self) -> str | None:
        """The run's id in MLflow; None until the store has answered."""
        writer = self._sender.sending.writer
        return None if writer is None else writer.run_id

    @property
    def name(self) -> str:
        """The run's name in MLflow; until the store has answered, the name that it asks for."""
        writer = self._sender.sending.writer
        return self._opening.name if writer is None else writer.name

    @property
    def pages(self) -> str:
        """The address of the run's study for a browser; until the store has answered, the store's address."""
        uri, writer = self._opening.uri, self._sender.sending.writer
        return uri if writer is None else pages(uri, writer.experiment_id, VIEW if writer.has_view else None)

    def wait(self, seconds: float = 60.0) -> str:
        """Wait until MLflow knows the run, and return its id.

        Raises:
            GlrError: the store does not answer in time.
        """
        deadline = time.monotonic() + seconds
        while self.id is None and time.monotonic() < deadline:
            time.sleep(0.02)
        if self.id is None:
            raise GlrError(f"tracking.uri: no run could be created in {seconds:.0f} s ({self._sender.sending.trouble})")
        return self.id

    def metrics_so_far(self) -> list[object]:
        """All recorded metrics as JSON values, except those of this machine's load."""
        with self._lock:
            metrics = [entry for entry in self._journal.entries if isinstance(entry, Metrics)]
        return [as_json(entry) for entry in metrics if not all(name.startswith(PREFIX) for name in entry.values)]

    def record(self, entry: Entry) -> None:
        """Write an entry to the journal."""
        with self._lock:
            self._journal.append(entry)
        self._sender.notify()

    def file(self, path: Path, folder: str | None = None) -> None:
        """Store a file with the run: see `Recorder.file`."""
        with self._lock:  # a copy's place is the number of its record
            self._journal.append(Artifact(self._journal.keep(path, path.name), folder))
        self._sender.notify()

    def text(self, content: str, name: str) -> None:
        """Store a text as a file of the run: see `Recorder.text`."""
        with self._lock:
            self._journal.append(Artifact(self._journal.keep(content.encode(), name), None))
        self._sender.notify()

    def end(self, status: str, tags: Mapping[str, str] | None = None) -> None:
        """Record the end, and send the remaining records; print refusals and how many records stay in the journal.

        Raises:
            LostError: MLflow does not have the run.
        """
        self.record(End(status, dict(tags or {})))
        self.complete = self._sender.finish()
        sending, journal = self._sender.sending, self._journal
        for refusal in sending.progress.refused:
            say(f"a record of run {self.name} was refused: {refusal}; see {journal.path}", file=sys.stderr)
        if self.complete:
            return
        waiting = (
            f"{sending.unsent} records of run {self.name} wait in {journal.path} "
            f"({sending.trouble or 'the store is slow'}); send them with: "
            f"python -m glr.record journal={journal.path.parent} tracking.uri={shlex.quote(self._opening.uri)}"
        )
        if sending.writer is None or sending.deleted:
            raise LostError(waiting)
        say(waiting, file=sys.stderr)


def begin(
    tracking: Tracking,
    study: str,
    name: str,
    *,
    kind: str = "train",
    parent: str | None = None,
    journal: str | None = None,
    attempt: int | None = None,
    continued: bool = False,
    tags: Mapping[str, str] | None = None,
) -> Run:
    """Open a run; the caller must end it.

    Args:
        tracking: the settings `tracking`: where to record the run.
        study: the MLflow experiment.
        name: the run's name, cut off after 240 characters; a number is added if another run of the study has it.
        kind: train, debug, ensemble, evaluation, preflight or sweep.
        parent: the id of the parent run; None: the sweep's run, if there is a sweep.
        journal: the name of the journal, for a run that may be continued; None: a new name.
        attempt: number of this process, from 1, among all processes that have worked on the run, on any machine.
            Records of earlier attempts change neither status nor tags. None: not counted.
        continued: earlier work exists, so start even if the store cannot be reached.
        tags: further tags.

    Raises:
        GlrError: the store cannot be opened or written to, the run or its study was deleted, the journal cannot be
            read or written, or the address for files holds a password.
    """
    check_place(tracking.artifacts)  # the journal holds the address unredacted, since any process may send the run
    parent = parent or os.environ.get(PARENT_VARIABLE)
    # Another process may hold the journal while it sends a large file of an earlier attempt.
    again = attempt is not None and attempt > 1
    records = Journal(Path(tracking.journal), journal or new_journal(), wait=600.0 if again else 30.0)
    new = not records.entries and not continued
    mine = {"mlflow.user": user(), "mlflow.source.name": f"python -m {module()}", "kind": kind}
    mine |= {"mlflow.source.type": "LOCAL", JOURNAL: records.name, **(tags or {})}
    if parent:
        mine["mlflow.parentRunId"] = parent
    mine = {key: redacted(value) for key, value in mine.items()}
    if not records.entries:
        records.append(Open(redacted(tracking.uri), study, redacted(name)[:_LONGEST], tracking.artifacts, mine))
    sender = Sender(tracking.uri, records, tracking.patience)
    opened = Run(records, sender)
    if parent is None and new:  # the user can correct the address; a job of a sweep trains without a store
        _create(tracking.uri, sender, records)
    records.append(Continue(mine, attempt))
    if records.failure:
        records.close()
        raise GlrError(f"{records.failure}; make room, or give another tracking.journal")
    sender.start()
    sender.tried.wait(_FIRST_TRY)
    if sender.sending.deleted:
        raise GlrError(_end_deleted(sender, records, new=new))
    return opened


def _create(uri: str, sender: Sender, journal: Journal) -> None:
    """Create the run in MLflow before training starts; if this fails, remove the journal and raise GlrError."""
    try:
        sender.sending.open(connect(uri))
    except GlrError:
        journal.remove()
        raise
    except Exception as error:
        journal.remove()
        raise GlrError(f"tracking.uri={redacted(uri)}: the MLflow store accepts no run ({reason(error)})") from error


def _end_deleted(sender: Sender, journal: Journal, *, new: bool) -> str:
    """Close the journal of a run that was deleted in MLflow, and return advice for the user."""
    why = str(sender.sending.trouble)
    sender.finish()
    if not new:
        return f"{why}; or move {journal.path} away, to record what follows as a new run"
    journal.path.unlink(missing_ok=True)
    return why


@contextmanager
def run(tracking: Tracking, study: str, name: str, **options: Any) -> Iterator[Run]:
    """Open a run as `begin` does, and end it as FINISHED.

    An exception ends the run as FAILED (Ctrl-C and SIGTERM: KILLED), with the reason in the tag `failure`. The tag
    `diverged` says whether training diverged.

    Raises:
        LostError: the run has ended, but MLflow does not have it.
    """
    opened = begin(tracking, study, name, **options)
    try:
        with _sampled(tracking.system_metrics, opened):
            yield opened
    except BaseException as error:
        killed = isinstance(error, KeyboardInterrupt | SystemExit) or received() is not None
        why = {"failure": _reason(error)[:5000], "diverged": str(isinstance(error, DivergedError))}
        try:
            opened.end("KILLED" if killed else "FAILED", why)
        except LostError as lost:
            say(str(lost), file=sys.stderr)
        raise
    opened.end("FINISHED")


@contextmanager
def _sampled(period: float | None, opened: Run) -> Iterator[None]:
    """Record the machine's load every `period` seconds; None: do not."""
    if period is None:
        yield
        return
    system = SystemMetrics(period, opened.metrics)
    system.start()
    try:
        yield
    finally:
        system.end()


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted by Ctrl-C"
    if isinstance(error, SystemExit):
        words = {PREEMPTED: "stopped by SIGTERM", NO_ROOM: "stopped by a full disk"}
        return words.get(error.code, f"ended with exit code {error.code}")  # type: ignore[arg-type]
    return redacted(in_words(error))


def new_journal() -> str:
    """A name for a journal."""
    return secrets.token_hex(8)
