"""Claims a job for one process, and finds the checkpoints and the MLflow run to continue."""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from glr import storage
from glr.config.identity import RESULT_VERSION, Identity, differences
from glr.config.secrets import redacted, without_secrets
from glr.errors import DivergedError, GlrError
from glr.storage.lock import acquire
from glr.tracking.history import PastRun
from glr.tracking.journal import is_waiting
from glr.tracking.run import LostError
from glr.train.checkpoint import clear, clear_parts, discard
from glr.train.note import ASIDE, NOTE, read, write

_SAVING = 120.0  # seconds to wait for a job of the sweep that is still saving
_LOOKING = 1.0  # seconds to wait for another command that only tests whether a job's lock is held


class TakenError(GlrError):
    """Another process trains the job."""


class DoneError(Exception):
    """Another process has completed the job meanwhile.

    Args:
        run: the job's run in MLflow.
    """

    def __init__(self, run: PastRun):
        super().__init__(run)
        self.run = run


@dataclass(frozen=True)
class Claim:
    """A job that this process alone trains.

    Attributes:
        folder: the folder of its checkpoints.
        journal: the name of the run's journal, the same for every process that works on the job.
        attempt: the number of processes that have worked on the job, this one included.
        continues: True if a checkpoint to continue from exists.
        holder: a random word that identifies this process.
        journals: the folder of the journals.
    """

    folder: str
    journal: str
    attempt: int
    continues: bool
    holder: str
    journals: Path

    def verify(self) -> None:
        """Make sure that this process may still write the checkpoints.

        Raises:
            GlrError: another machine has taken the run over.
        """
        if self._is_lost():
            raise GlrError(
                f"the same command was started on another machine, which continues this run; this process ends "
                f"({storage.join(self.folder, NOTE)})"
            )

    def release(self) -> None:
        """Delete the checkpoints of the complete run, if the folder permits it."""
        if not self._is_lost():
            discard(self.folder)

    def complete(self) -> None:
        """Keep the complete run's checkpoints; a later run of the study deletes them once MLflow has all records."""
        self._note(complete=_word_of(self.journals))

    def abandon(self) -> None:
        """Mark the run as abandoned, so that a run with other settings may use its name."""
        self._note(abandoned=True)

    def _note(self, **values: object) -> None:
        if not self._is_lost() and (note := read(self.folder)) is not None:
            write(self.folder, note | values)

    def _is_lost(self) -> bool:
        try:
            note = read(self.folder)
        except GlrError:
            return False  # the bucket cannot be reached; saving reports this
        return note is not None and note["holder"] != self.holder


@contextmanager
def claimed(
    config: DictConfig,
    identity: Identity,
    name: str,
    *,
    alone: bool,
    journal: str,
    finished: Callable[[], PastRun | None] = lambda: None,
) -> Iterator[Claim]:
    """Claim the job that a config describes.

    Args:
        config: composed from conf/train.yaml.
        identity: the job's identity.
        name: the run's name.
        alone: True outside a sweep, where an interrupted run of this name with other settings is an error.
        journal: the name of a new run's journal.
        finished: returns a finished run of this job or None; called in a sweep and after waiting for another process.

    Raises:
        DoneError: another process has completed the job meanwhile.
        GlrError: another process trains it; the data have changed; or an interrupted run of this name differs.
    """
    folder = _folder(config, identity)
    # When a sweep is started again, jobs of its first start may still be saving.
    with _held(_locks(config), identity.folder, wait=_LOOKING if alone else _SAVING) as waited:
        clear_parts(folder)
        note = read(folder)
        if note is not None and _is_recorded(config, note) and discard(folder):
            note = None
        if config.resume.value == "never":
            _leave(config, identity, name, alone=alone)
            note = None
        elif note is None:
            _refuse_changes(config, identity, name, alone=alone)
        anew = config.resume.value == "never" or config.sweep.rerun.name == "all"
        if note is None and not anew and (waited or not alone) and (run := finished()):
            raise DoneError(run)
        claim = _taken(config, identity, note or _new_note(config, identity, name, journal))
        try:
            yield claim
        except DivergedError:
            claim.abandon()  # the next run of this name may have other settings, such as a lower learning rate
            raise
        except LostError:
            claim.complete()  # the run is trained; its records are not sent yet
            raise


def _folder(config: DictConfig, identity: Identity) -> str:
    """The folder of a job's checkpoints."""
    return storage.join(config.checkpoint.path, identity.folder)


def _leave(config: DictConfig, identity: Identity, name: str, *, alone: bool) -> None:
    """Delete the job's checkpoints; abandon interrupted runs of its name, in a sweep only those on other data."""
    clear(_folder(config, identity))
    for other, unfinished in _others(config, identity):
        if (alone and unfinished["name"] == name) or _is_with_other_data(unfinished, config, identity):
            write(other, unfinished | {"abandoned": True})


def _new_note(config: DictConfig, identity: Identity, name: str, journal: str) -> dict[str, Any]:
    folder = _folder(config, identity)
    if not storage.exists(storage.join(folder, ASIDE)):
        clear(folder)  # checkpoints of a complete run whose note is already deleted
    note = {"study": config.study, "name": name, "journal": journal, "attempt": 0, "key": identity.key}
    note |= {"data": _place(config), "digest": identity.digest, "result_version": RESULT_VERSION}
    return note | {"settings": without_secrets(identity.settings), "time": time.time()}


def _taken(config: DictConfig, identity: Identity, note: dict[str, Any]) -> Claim:
    """Write a run's note with a new holder, so that a former holder that resumes sees that it lost the run."""
    folder = _folder(config, identity)
    note |= {"attempt": note["attempt"] + 1, "holder": secrets.token_hex(8), "abandoned": False, "complete": None}
    write(folder, note)
    continues = any(file.startswith("step-") for file in storage.files(folder))
    return Claim(folder, note["journal"], note["attempt"], continues, note["holder"], Path(config.tracking.journal))


def followed(config: DictConfig, identity: Identity) -> Claim:
    """Return the claim for a worker that is not the chief; only the chief claims the job itself."""
    folder, journals = _folder(config, identity), Path(config.tracking.journal)
    return Claim(folder, "", 0, continues=False, holder="", journals=journals)


def _refuse_changes(config: DictConfig, identity: Identity, name: str, *, alone: bool) -> None:
    """Refuse to start if an interrupted run of the same name has other data or, outside a sweep, other settings."""
    others = []
    for folder, note in _others(config, identity):
        if _is_recorded(config, note):
            discard(folder)
        elif not note["abandoned"] and not note.get("complete"):
            others.append(note)
    if any(_is_with_other_data(note, config, identity) for note in others):
        raise GlrError(
            f"{config.data.path} has changed since this run was interrupted; restore the former data, or start "
            "over with resume=never"
        )
    others = [note for note in others if note["name"] == name and note.get("key") != identity.key]
    if not alone or not others:
        return
    note = max(others, key=lambda other: other["time"])
    if note.get("result_version", 1) != RESULT_VERSION:  # notes had no version while it was 1
        raise GlrError(
            f"run {name} of study {config.study} is unfinished, and another version of glr began it, whose results "
            "differ; give another name= to train another run, or resume=never to abandon it and start over"
        )
    changed = "; ".join(differences(note["settings"], without_secrets(identity.settings)))
    raise GlrError(
        f"run {name} of study {config.study} is unfinished, and had other settings ({changed}); repeat its settings to "
        "continue it, give another name= to train another run, or resume=never to abandon it and start over"
    )


def _is_with_other_data(note: dict[str, object], config: DictConfig, identity: Identity) -> bool:
    """Return True if a run is this job on an earlier version of its data set."""
    return note.get("key") == identity.key and note["data"] == _place(config)


def _place(config: DictConfig) -> str:
    """The path of the data set, normalized and without a password."""
    return storage.normalized(redacted(config.data.path))


def _others(config: DictConfig, identity: Identity) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the folder and the note of each interrupted run of the study, except the job's own."""
    root, names = config.checkpoint.path, storage.files(config.checkpoint.path)
    begun = {name.rpartition("/")[0] for name in names if "/step-" in name}  # other folders hold nothing to continue
    for file in names:
        folder, _, last = file.rpartition("/")
        if last == NOTE and folder != identity.folder and folder in begun:
            note = None
            with suppress(TakenError), _held(_locks(config), folder):
                note = read(storage.join(root, folder))
            if note is not None and note["study"] == config.study:
                yield storage.join(root, folder), note


def _is_recorded(config: DictConfig, note: dict[str, Any]) -> bool:
    """Return whether a run is complete, and all its records in this folder of journals have been sent."""
    journals, word = Path(config.tracking.journal), note.get("complete")
    return word is not None and word == _word_of(journals) and not is_waiting(journals, note["journal"])


def _word_of(journals: Path) -> str:
    """Return a word that identifies a folder of journals: another machine may have another folder at this path."""
    file = journals / ".folder"
    with suppress(GlrError):  # it exists, or cannot be written
        storage.write(file, secrets.token_hex(8).encode())
    with suppress(GlrError):
        return storage.read(file).decode()
    return secrets.token_hex(8)


def _locks(config: DictConfig) -> Path:
    """Return the folder of locks: checkpoint.path, so that all its users share them; for a bucket, tracking.journal."""
    return Path(config.tracking.journal if storage.is_bucket(config.checkpoint.path) else config.checkpoint.path)


@contextmanager
def _held(folder: Path, key: str, wait: float = 0) -> Iterator[bool]:
    """Hold a job's lock, which ends with the process; yield True if another process held the lock first."""
    path, waited = folder / f"{key}.lock", False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            file = acquire(path, 0)
        except BlockingIOError:
            waited = True
            file = acquire(path, wait)
    except BlockingIOError as error:
        holder = ""
        with suppress(FileNotFoundError):
            holder = path.read_text()
        raise TakenError(
            f"another process ({holder or '?'}) is training this run; wait for it, or give another seed or name"
        ) from error
    except OSError as error:
        raise GlrError(
            f"{path}: {error.strerror}; correct checkpoint.path (or tracking.journal, if checkpoint.path is a bucket), "
            "or make it writable"
        ) from error
    try:
        os.ftruncate(file, 0)  # drop the id of a killed process
        os.write(file, str(os.getpid()).encode())
        yield waited
    finally:
        path.unlink(missing_ok=True)
        os.close(file)
