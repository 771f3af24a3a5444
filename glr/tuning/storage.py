"""The file of a search: an Optuna journal that several processes may write to."""

import errno
import json
import logging
import os
import warnings
from pathlib import Path

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from glr.config.search import Pruner, Settings
from glr.errors import GlrError

_PRUNER = "pruner"


class _WholeLineJournal(JournalFileBackend):
    """Appends whole lines or nothing: a line cut off by a full disk would make the file unreadable."""

    def __init__(self, file: Path):
        self._lines, self._write_lock = file, JournalFileSymlinkLock(str(file))
        super().__init__(str(file), self._write_lock)

    def append_logs(self, logs: list[dict[str, object]]) -> None:
        """Append a line for each log, under the file's lock."""
        content = "".join(f"{json.dumps(log, separators=(',', ':'))}\n" for log in logs).encode()
        self._write_lock.acquire()
        try:
            with self._lines.open("r+b", buffering=0) as file:
                end = file.seek(0, os.SEEK_END)
                try:
                    if file.write(content) < len(content):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._lines))
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(end)
                    raise
        finally:
            self._write_lock.release()


def opened(file: Path) -> JournalStorage:
    """Open the storage in this file; a missing file is created.

    Raises:
        GlrError: the file is not the journal of a search, or is damaged.
    """
    optuna.logging.set_verbosity(logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        return JournalStorage(_WholeLineJournal(file))
    except (ValueError, KeyError, TypeError) as error:
        raise GlrError(
            f"{file} is not the journal of a search, or is damaged; give another hydra.sweeper.storage"
        ) from error


def trial_id(storage: JournalStorage, search: str, number: int) -> int:
    """The storage's id of a search's trial.

    Raises:
        KeyError: there is no such search or trial.
    """
    return storage.get_trial_id_from_study_id_trial_number(storage.get_study_id_from_name(search), number)


def record_pruner(study: optuna.Study, settings: Settings) -> None:
    """Store the pruner's settings with the search: its jobs read them in their own processes."""
    kept = {"kind": settings.pruner.value, "trials": settings.warmup_trials, "steps": settings.warmup_steps}
    if study.user_attrs.get(_PRUNER) != kept:
        study.set_user_attr(_PRUNER, kept)


def pruner_of(study: optuna.Study) -> BasePruner:
    """The pruner that `record_pruner` stored with the search."""
    kept = study.user_attrs[_PRUNER]
    match Pruner(kept["kind"]):
        case Pruner.median:
            return MedianPruner(n_startup_trials=kept["trials"], n_warmup_steps=kept["steps"])
        case Pruner.hyperband:
            return HyperbandPruner(min_resource=max(1, kept["steps"]))
        case Pruner.none:
            return NopPruner()
