"""A trial of a search as its job sees it: it reports its scores, and learns when it is hopeless."""

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
    """The trial that the setting `sweep.trial` names; with None, in a run that belongs to no search, it does nothing.

    As a context it tells the search how the job ended: with its last score; as pruned if it was found hopeless or
    training diverged, so that the search avoids its values. Of any other exception it tells nothing: the search
    sees for itself that the job failed.
    """

    def __init__(self, name: str | None):
        """Find the trial.

        Args:
            name: `<file>:<search>:<number>`, of the file in which the search is kept; `named` writes it.

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
            # Nothing is drawn here: the search has chosen this trial's values.
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
        """Return True if the job should stop, now that its score has been reported."""
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
        # It is finished already if the search was continued meanwhile and has given this job up.
        with _tolerated():
            self._study.tell(self._trial.number, score, state, skip_if_finished=True)


@contextmanager
def _tolerated() -> Iterator[None]:
    """A search that cannot be told (a full disk, a folder that is gone, a trial given up) stops no training."""
    from optuna.exceptions import UpdateFinishedTrialError

    try:
        yield
    except UpdateFinishedTrialError:
        print("the search was continued meanwhile, and counts this job as failed", file=sys.stderr)
    except OSError as error:
        print(f"the search was not told: {error.filename or 'its file'}: {error.strerror}", file=sys.stderr)


def named(file: Path, search: str, number: int) -> str:
    """The setting `sweep.trial` of a trial."""
    return f"{file}:{search}:{number}"
