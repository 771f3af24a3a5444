"""Send one journal to MLflow, and keep track of sent, waiting and refused records."""

from itertools import islice, takewhile

from mlflow import MlflowClient

from glr.tracking.entries import Artifact, Continue, Damaged, End, Metrics, Tags, Unreadable
from glr.tracking.journal import Journal, Progress
from glr.tracking.store import DeletedError, is_missing, reason
from glr.tracking.writer import RunWriter, is_refusal


class Sending:
    """Sends one journal to MLflow.

    The records are sent in order. If the store fails on a record, the record waits and later records are sent. A record
    that no store will accept is refused.

    Attributes:
        writer: the run's writer; None: MLflow does not know the run yet.
        trouble: a line that says why the last try failed; None: it succeeded.
        deleted: True if the last try failed because the run or its study was deleted.
        progress: how far the journal has been sent.
    """

    def __init__(self, journal: Journal):
        self.journal = journal
        self.writer: RunWriter | None = None
        self.trouble: str | None = None
        self.deleted = False
        self.progress = journal.sent()

    @property
    def unsent(self) -> int:
        """The number of records that wait."""
        return len(self.journal.entries) - self.progress.next + len(self.progress.later)

    def open(self, client: MlflowClient) -> None:
        """Find or create the run. If it lacks sent records, its database was lost or replaced: send all records again.

        Raises:
            DeletedError: the run or its study was deleted.
            Exception: the store does not answer, or accepts nothing.
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
        """Send some records; return True if this succeeds. Never raises: `trouble` says what failed."""
        try:
            if self.writer is None:
                self.open(client)
            if self.progress.next < len(self.journal.entries):
                count = self._row(self.progress.next)
                self._send(self.progress.next, count)
                self.progress.next += count
            elif not self._send_later():
                return False
            if self.journal.failure is None:  # otherwise the note would count records that are not on disk yet
                self.journal.note_sent(self.progress)
        except Exception as error:  # each kind of store has its own errors, and a journal may hold anything
            self.trouble, self.deleted = reason(error), isinstance(error, DeletedError)
            if is_missing(error):
                self.writer = None  # the database was lost or replaced: look for the run again
            return False
        self.trouble, self.deleted = None, False
        return True

    def settle(self) -> None:
        """Close the journal: keep it if records wait, set it aside if records were refused, else delete it."""
        if self.unsent:
            self.journal.close()
        elif self.progress.refused:
            self.journal.set_aside()
        else:
            self.journal.remove()

    def _row(self, position: int) -> int:
        """Return how many records to send together: all consecutive metrics, or one other record."""
        row = takewhile(lambda entry: isinstance(entry, Metrics), islice(self.journal.entries, position, None))
        return sum(1 for _ in row) or 1

    def _send(self, position: int, count: int) -> None:
        """Write records, and note which are refused or must wait; raises if the store accepts none."""
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
        """Write one waiting record, and return True if the store accepted or refused a record."""
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
            if file.exists():  # otherwise the file was sent, and a kill lost the note
                if not self._is_replaced(entry, position):
                    self.writer.store(file, entry.folder)
                file.unlink()
        elif isinstance(entry, Tags):  # a record that waited must not overwrite later values
            newer = self.journal.entries[position + 1 : self.progress.next]
            set_since = {key for each in newer if isinstance(each, Tags | Continue | End) for key in each.values}
            self.writer.write(Tags({key: value for key, value in entry.values.items() if key not in set_since}))
        else:
            self.writer.write(entry)

    def _is_replaced(self, file: Artifact, position: int) -> bool:
        """Return True if a later record holds a newer version of a file, such as the log of a run that continued."""
        name = file.place.rpartition("/")[2]
        later = islice(self.journal.entries, position + 1, None)
        return any(
            isinstance(each, Artifact) and (each.folder, each.place.rpartition("/")[2]) == (file.folder, name)
            for each in later
        )

    def _is_refused(self, error: Exception) -> bool:
        """Return True if every store will refuse the record; raises if MLflow does not have the run."""
        if is_refusal(error):
            assert self.writer
            self.writer.verify()
            return True
        return False

    def _refuse(self, error: Exception) -> None:
        self.progress.refused.append(reason(error))

    def _is_passed(self, position: int, count: int) -> bool:
        """Return True if failed records may wait: the store takes or refuses a later record, so it can be reached."""
        assert self.writer
        entries = self.journal.entries
        if isinstance(entries[position], Artifact | Unreadable):
            return True  # metrics must not wait until the store has room for files
        if isinstance(entries[position], Continue | End):
            return False  # they set the status, so their order counts
        for entry in islice(entries, position + count, None):
            if not isinstance(entry, Artifact | Continue | Unreadable | Damaged):
                try:
                    self.writer.write(entry)  # writing it again later changes nothing
                except Exception as error:
                    return is_refusal(error)
                return True
        return False
