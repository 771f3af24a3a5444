"""A trial of a search in its job's process: report scores, and ask if the trial should stop early."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from glr.errors import DivergedError, GlrError

if TYPE_CHECKING:
    import optuna


class Trial:
    """The trial that the setting `sweep.trial` names; for None (a run outside a search), every method does nothing.

    As a context manager, it reports the job's end to the search: the last score, or pruned if the job was hopeless or
    diverged, so that the search avoids its values. It reports no other exception: the search sees that the job failed.
    """

    def __init__(self, name: str | None):
        """Find the trial.

        Args:
            name: `<file>:<search>:<number>`, as `named` writes it; the file holds the search.

        Raises:
            GlrError: there is no such file, search or trial.
        """
        self._study: optuna.Study | None = None
        self._score: float | None = None
        self._hopeless = False
        if name is not None:
            self._open(*name.rsplit(":", 2))

    def _open(self, file: str, search: str, number: str) -> None:
        import optuna

        from glr.tuning.storage import opened, pruner_of, trial_id

        if not Path(file).is_file():
            raise GlrError(f"sweep.trial: there is no {file} here; a search needs a folder that all its machines share")
        storage = opened(Path(file))
        try:
            # The sampler is not used: the search has chosen this trial's values.
            study = optuna.load_study(study_name=search, storage=storage, sampler=optuna.samplers.RandomSampler())
            self._trial = optuna.Trial(study, trial_id(storage, search, int(number)))
        except KeyError as error:
            raise GlrError(f"sweep.trial: {file} has no trial {number} of a search {search}") from error
        study.pruner = pruner_of(study)
        self._study = study

    def report(self, step: int, score: float) -> None:
        """Report the score after a step (an epoch)."""
        self._score = score
        if self._study is not None:
            with _tolerated():
                self._trial.report(score, step)

    def hopeless(self) -> bool:
        """Return True if the job should stop early, given the scores reported so far."""
        if self._study is not None and not self._hopeless:
            with _tolerated():
                self._hopeless = self._trial.should_prune()
        return self._hopeless

    def __enter__(self) -> "Trial":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._study is None:
            return
        from optuna.trial import TrialState

        pruned = self._hopeless or isinstance(error, DivergedError)
        if not pruned and (error is not None or self._score is None):
            return
        score, state = (None, TrialState.PRUNED) if pruned else (self._score, None)
        # The trial is already finished if another process has continued the search and given up this job.
        with _tolerated():
            self._study.tell(self._trial.number, score, state, skip_if_finished=True)


@contextmanager
def _tolerated() -> Iterator[None]:
    """Continue training if the search cannot be updated (a full disk, a missing folder, a finished trial)."""
    from optuna.exceptions import UpdateFinishedTrialError

    try:
        yield
    except UpdateFinishedTrialError:
        print("another process has continued the search, and counts this job as failed", file=sys.stderr)
    except OSError as error:
        print(f"the search was not updated: {error.filename or 'its file'}: {error.strerror}", file=sys.stderr)


def named(file: Path, search: str, number: int) -> str:
    """The value of the setting `sweep.trial` that names a trial."""
    return f"{file}:{search}:{number}"
