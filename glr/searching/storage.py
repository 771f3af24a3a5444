"""Where a search is kept: a journal file of Optuna's that several processes may write to."""

import logging
import warnings
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from glr.errors import GlrError
from glr.searching.settings import Pruner, Settings

_PRUNER = "pruner"


def opened(file: Path) -> JournalStorage:
    """The storage in this file, which need not be there yet.

    Raises:
        GlrError: it is something else, or damaged.
    """
    optuna.logging.set_verbosity(logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        return JournalStorage(JournalFileBackend(str(file)))
    except (ValueError, KeyError, TypeError) as error:
        raise GlrError(
            f"{file} is not the journal of a search, or is damaged; give another hydra.sweeper.storage"
        ) from error


def trial_id(storage: JournalStorage, search: str, number: int) -> int:
    """The storage's own number of a search's trial.

    Raises:
        KeyError: there is no such search or trial.
    """
    return storage.get_trial_id_from_study_id_trial_number(storage.get_study_id_from_name(search), number)


def record_pruner(study: optuna.Study, settings: Settings) -> None:
    """Keep with the search how it is pruned: its jobs decide it, in processes of their own."""
    kept = {"kind": settings.pruner.value, "trials": settings.warmup_trials, "steps": settings.warmup_steps}
    if study.user_attrs.get(_PRUNER) != kept:
        study.set_user_attr(_PRUNER, kept)


def pruner_of(study: optuna.Study) -> BasePruner:
    """The pruner that the search is kept with."""
    kept: dict[str, Any] = study.user_attrs[_PRUNER]
    match Pruner(kept["kind"]):
        case Pruner.median:
            return MedianPruner(n_startup_trials=kept["trials"], n_warmup_steps=kept["steps"])
        case Pruner.hyperband:
            return HyperbandPruner(min_resource=max(1, kept["steps"]))
        case Pruner.none:
            return NopPruner()
