"""Who may train a job, and whether it goes on with what an interrupted process left: one process, one MLflow run."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from glr import storage
from glr.config.identity import differences, key_of, settings_of
from glr.errors import GlrError
from glr.lock import acquire
from glr.training.checkpoint import clear, clear_parts

_NOTE = "run.json"
_SAVING = 120.0  # seconds


@dataclass(frozen=True)
class Claim:
    """A job that this process alone trains.

    Attributes:
        key: of the job.
        folder: of its checkpoints.
        journal: the name of its run's journal, whichever process writes it.
        continues: whether another process began it.
    """

    key: str
    folder: str
    journal: str
    continues: bool

    def release(self) -> None:
        """Delete the checkpoints: the run is complete."""
        clear(self.folder)


@contextmanager
def claimed(config: DictConfig, digest: str, name: str, *, alone: bool, journal: str) -> Iterator[Claim]:
    """Claim the job that a config stands for.

    Args:
        config: composed from conf/train.yaml.
        digest: of the data set.
        name: of the run.
        alone: it is no job of a sweep: an interrupted run of the same study and name that differs in a setting is what
            the user means to continue, by all appearances.
        journal: the name of the journal, if the run is new.

    Raises:
        GlrError: another process trains it; the data have changed; or an interrupted run of this name differs.
    """
    key, root = key_of(config), config.checkpoint.path
    folder = storage.join(root, key)
    # A sweep that is started again may find jobs of the one before still saving.
    with _held(Path(config.tracking.journal), key, wait=0 if alone else _SAVING):
        clear_parts(folder)
        note = _read(folder)
        if config.resume.value == "never":
            clear(folder)
            note = None
            for other, abandoned in _others(root, key, config.study, name) if alone else []:
                _write(other, abandoned | {"abandoned": True})
        elif note is not None and note["digest"] != digest:
            raise GlrError(
                f"{config.data.path} has changed since this run was interrupted; bring the former data back, or start "
                "anew with resume=never"
            )
        elif note is None and alone:
            _refuse_changes(config, name, root, key)
        continues = note is not None
        if note is None:
            clear(folder)  # of a run whose note was deleted first when it was complete
            note = {"study": config.study, "name": name, "journal": journal, "digest": digest}
            _write(folder, note | {"settings": settings_of(config), "time": time.time(), "abandoned": False})
        yield Claim(key, folder, note["journal"], continues)


@contextmanager
def followed(config: DictConfig) -> Iterator[Claim]:
    """The job that a config stands for, for a worker that trains it with the chief, who has claimed it."""
    key = key_of(config)
    yield Claim(key, storage.join(config.checkpoint.path, key), "", continues=False)


def _refuse_changes(config: DictConfig, name: str, root: str, key: str) -> None:
    """Refuse to start beside an interrupted run of the same name that differs."""
    others = [
        (folder, note)
        for folder, note in _others(root, key, config.study, name)
        if not note["abandoned"] and _free(Path(config.tracking.journal), folder.rsplit("/", 1)[-1])
    ]
    if not others:
        return
    _, note = max(others, key=lambda other: other[1]["time"])
    changed = "; ".join(differences(note["settings"], settings_of(config)))
    raise GlrError(
        f"run {name} of study {config.study} was interrupted with other settings ({changed}); give those it had to "
        "continue it, another name= for a run of its own, or resume=never to leave it and start anew"
    )


def _others(root: str, key: str, study: str, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Folder and note of each unfinished run of a name."""
    names = storage.files(root)
    for file in names:
        folder, _, last = file.rpartition("/")
        begun = any(name.startswith(f"{folder}/step-") for name in names)  # else there is nothing to continue
        if last == _NOTE and folder != key and begun:
            note = _read(storage.join(root, folder))
            if note is not None and (note["study"], note["name"]) == (study, name):
                yield storage.join(root, folder), note


def _read(folder: str) -> dict[str, Any] | None:
    path = storage.join(folder, _NOTE)
    return json.loads(storage.read(path)) if storage.exists(path) else None


def _write(folder: str, note: dict[str, Any]) -> None:
    storage.write(storage.join(folder, _NOTE), json.dumps(note, indent=1).encode(), overwrite=True)


@contextmanager
def _held(folder: Path, key: str, wait: float = 0) -> Iterator[None]:
    """Hold a job's lock; it goes with the process, however that ends."""
    path = folder / f"{key}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = acquire(path, wait)
    except BlockingIOError as error:
        holder = path.read_text() or "?"
        raise GlrError(
            f"another process ({holder}) trains this very run; wait for it, or give another seed or name"
        ) from error
    except OSError as error:
        raise GlrError(f"{path}: {error.strerror}; correct tracking.journal, or make it writable") from error
    try:
        os.ftruncate(file, 0)  # of a process that was killed
        os.write(file, str(os.getpid()).encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


def _free(folder: Path, key: str) -> bool:
    """Whether no process of this machine trains a job."""
    try:
        with _held(folder, key):
            return True
    except GlrError:
        return False
