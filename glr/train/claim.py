"""Claims a job for one process, and finds the checkpoints and the MLflow run to continue."""

import json
import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from glr import storage
from glr.config.identity import Identity, differences
from glr.config.printing import say
from glr.config.secrets import redacted, without_secrets
from glr.errors import DivergedError, GlrError
from glr.storage.lock import acquire
from glr.tracking.history import PastRun
from glr.tracking.journal import is_there
from glr.tracking.run import LostError
from glr.train.checkpoint import clear, clear_parts, discard

_NOTE = "run.json"
_ASIDE = f"{_NOTE}.damaged"
_FIELDS = {
    **{"study": str, "name": str, "journal": str, "attempt": int, "holder": str, "key": str, "data": str},
    **{"settings": dict, "time": int | float, "abandoned": bool},
}
_JOURNAL = re.compile(r"[\w-]+")  # a name, no path
_SAVING = 120.0  # seconds
_LOOKING = 1.0  # seconds, more than another command needs to find out whether a job is held


class TakenError(GlrError):
    """Another process trains the job."""


class DoneError(Exception):
    """Another process has completed the job since this one was told to train it.

    Args:
        run: of the job, in MLflow.
    """

    def __init__(self, run: PastRun):
        super().__init__(run)
        self.run = run


@dataclass(frozen=True)
class Claim:
    """A job that this process alone trains.

    Attributes:
        folder: of its checkpoints.
        journal: the name of its run's journal, whichever process writes it.
        attempt: how many processes have worked at it, this one included.
        continues: a checkpoint to go on from exists.
        holder: a word that stands for this process.
        journals: the folder of the journals.
    """

    folder: str
    journal: str
    attempt: int
    continues: bool
    holder: str
    journals: Path

    def verify(self) -> None:
        """Make sure that the checkpoints are still this process's to write: no other machine has taken the run over.

        Raises:
            GlrError: one has.
        """
        if self._is_lost():
            raise GlrError(
                f"the same command was started on another machine, which goes on with this run; this one ends "
                f"({storage.join(self.folder, _NOTE)})"
            )

    def release(self) -> None:
        """Delete the checkpoints, if the folder lets it: the run is complete."""
        if not self._is_lost():
            discard(self.folder)

    def complete(self) -> None:
        """Keep the checkpoints until MLflow knows all of the run: the next command of its name deletes them then."""
        self._note(complete=_word_of(self.journals))

    def abandon(self) -> None:
        """Mark the run as given up, so that other settings may use its name."""
        self._note(abandoned=True)

    def _note(self, **values: object) -> None:
        if not self._is_lost() and (note := _read(self.folder)) is not None:
            _write(self.folder, note | values)

    def _is_lost(self) -> bool:
        try:
            note = _read(self.folder)
        except GlrError:
            return False  # a bucket out of reach: saving has more to say about it
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
    """Claim the job that a config stands for.

    Args:
        config: composed from conf/train.yaml.
        identity: of the job.
        name: of the run.
        alone: not part of a sweep: an interrupted run of this name with other settings is refused.
        journal: the name of the journal, if the run is new.
        finished: looks for a finished run of this job, for a sweep's job and for one that waited for another process.

    Raises:
        DoneError: it has.
        GlrError: another process trains it; the data have changed; or an interrupted run of this name differs.
    """
    folder = storage.join(config.checkpoint.path, identity.folder)
    # A sweep that is started again may find jobs of the one before still saving.
    with _held(_locks(config), identity.folder, wait=_LOOKING if alone else _SAVING) as waited:
        clear_parts(folder)
        note = _read(folder)
        if note is not None and _is_recorded(config, note) and discard(folder):
            note = None
        if config.resume.value == "never":
            clear(folder)
            note = None
            for other, unfinished in _others(config, identity, name):
                if alone or _is_with_other_data(unfinished, config, identity):
                    _write(other, unfinished | {"abandoned": True})
        elif note is None:
            _refuse_changes(config, identity, name, alone=alone)
        anew = config.resume.value == "never" or config.sweep.rerun.name == "all"
        if note is None and not anew and (waited or not alone) and (run := finished()):
            raise DoneError(run)
        if note is None:
            if not storage.exists(storage.join(folder, _ASIDE)):
                clear(folder)  # of a run whose note was deleted first when it was complete
            note = {"study": config.study, "name": name, "journal": journal, "attempt": 0, "key": identity.key}
            note |= {"data": _place(config), "digest": identity.digest}
            note |= {"settings": without_secrets(identity.settings), "time": time.time()}
        # A machine that was lost may come back, and shall see that it has lost the run.
        note |= {"attempt": note["attempt"] + 1, "holder": secrets.token_hex(8)}
        note |= {"abandoned": False, "complete": None}
        _write(folder, note)
        continues = any(name.startswith("step-") for name in storage.files(folder))
        journals = Path(config.tracking.journal)
        claim = Claim(folder, note["journal"], note["attempt"], continues, note["holder"], journals)
        try:
            yield claim
        except DivergedError:
            claim.abandon()  # the next run of this name may have other settings, such as a lower learning rate
            raise
        except LostError:
            claim.complete()  # it is trained; its records wait
            raise


def followed(config: DictConfig, identity: Identity) -> Claim:
    """The job of a config, for a worker that trains it with the chief, who has claimed it."""
    folder, journals = storage.join(config.checkpoint.path, identity.folder), Path(config.tracking.journal)
    return Claim(folder, "", 0, continues=False, holder="", journals=journals)


def _refuse_changes(config: DictConfig, identity: Identity, name: str, *, alone: bool) -> None:
    """Refuse to start beside an interrupted run of the same name that differs: in its data, or (alone) in a setting."""
    others = []
    for folder, note in _others(config, identity, name):
        if _is_recorded(config, note):
            discard(folder)
        elif not note["abandoned"] and not note.get("complete"):
            others.append(note)
    if any(_is_with_other_data(note, config, identity) for note in others):
        raise GlrError(
            f"{config.data.path} has changed since this run was interrupted; bring the former data back, or start "
            "anew with resume=never"
        )
    others = [note for note in others if note.get("key") != identity.key]
    if not alone or not others:
        return
    note = max(others, key=lambda other: other["time"])
    changed = "; ".join(differences(note["settings"], without_secrets(identity.settings)))
    raise GlrError(
        f"run {name} of study {config.study} is unfinished, and had other settings ({changed}); give those it had to "
        "continue it, another name= for a run of its own, or resume=never to leave it and start anew"
    )


def _is_with_other_data(note: dict[str, object], config: DictConfig, identity: Identity) -> bool:
    """Return whether a run is this job on an earlier state of its data set."""
    return note.get("key") == identity.key and note["data"] == _place(config)


def _place(config: DictConfig) -> str:
    """Where the data set lies, in one spelling and without a password."""
    return storage.normalized(redacted(config.data.path))


def _others(config: DictConfig, identity: Identity, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the folder and the note of each interrupted run of this name in the study, but for the job itself."""
    root, names = config.checkpoint.path, storage.files(config.checkpoint.path)
    begun = {name.rpartition("/")[0] for name in names if "/step-" in name}  # in others is nothing to continue
    for file in names:
        folder, _, last = file.rpartition("/")
        if last == _NOTE and folder != identity.folder and folder in begun:
            note = None
            with suppress(TakenError), _held(_locks(config), folder):
                note = _read(storage.join(root, folder))
            if note is not None and (note["study"], note["name"]) == (config.study, name):
                yield storage.join(root, folder), note


def _is_recorded(config: DictConfig, note: dict[str, Any]) -> bool:
    """Return whether a run is complete, and all its records that lay in this folder of journals are sent."""
    journals, word = Path(config.tracking.journal), note.get("complete")
    return word is not None and word == _word_of(journals) and not is_there(journals, note["journal"])


def _word_of(journals: Path) -> str:
    """A word that stands for a folder of journals: another machine has the folder, or one of the same path."""
    file = journals / ".folder"
    with suppress(GlrError):  # it exists, or cannot be written
        storage.write(file, secrets.token_hex(8).encode())
    with suppress(GlrError):
        return storage.read(file).decode()
    return secrets.token_hex(8)


def _read(folder: str) -> dict[str, Any] | None:
    """The note of a run; None: it has none, or a damaged one, which is set aside."""
    path = storage.join(folder, _NOTE)
    if not storage.exists(path):
        return None
    content = storage.read(path)
    with suppress(ValueError, KeyError, TypeError, RecursionError):  # of whatever was made of the bytes
        note = json.loads(content)
        if all(isinstance(note[name], kind) for name, kind in _FIELDS.items()) and _JOURNAL.fullmatch(note["journal"]):
            return note
    storage.write(storage.join(folder, _ASIDE), content, overwrite=True)
    storage.delete(path)
    say(f"{path} is damaged, or of an earlier version: set aside as {_ASIDE}", file=sys.stderr)
    return None


def _write(folder: str, note: dict[str, Any]) -> None:
    storage.write(storage.join(folder, _NOTE), json.dumps(note, indent=1).encode(), overwrite=True)


def _locks(config: DictConfig) -> Path:
    """Where locks lie: beside the checkpoints, so that they keep whoever shares those apart, unless in a bucket."""
    return Path(config.tracking.journal if storage.is_bucket(config.checkpoint.path) else config.checkpoint.path)


@contextmanager
def _held(folder: Path, key: str, wait: float = 0) -> Iterator[bool]:
    """Hold a job's lock; it goes with the process, however that ends. Yields whether another process held it first."""
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
            f"another process ({holder or '?'}) trains this very run; wait for it, or give another seed or name"
        ) from error
    except OSError as error:
        raise GlrError(
            f"{path}: {error.strerror}; correct checkpoint.path (tracking.journal, where that is a bucket), or make it "
            "writable"
        ) from error
    try:
        os.ftruncate(file, 0)  # of a process that was killed
        os.write(file, str(os.getpid()).encode())
        yield waited
    finally:
        path.unlink(missing_ok=True)
        os.close(file)
