"""Save a training run at intervals, and end it on a signal: between two steps, after a checkpoint."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import keras

from glr.devices.workers import Agreement
from glr.errors import PREEMPTED, GlrError
from glr.train.assembly import Assembly
from glr.train.checkpoint import Checkpoints, values_of
from glr.train.interruption import Interruption
from glr.train.job import Job
from glr.train.state import State

_CALLS_BETWEEN_QUESTIONS = 10  # calls of the step between two checks for a signal on any worker


class Saving:
    """Restores a run from its newest checkpoint, and saves the run; among several workers, only the chief saves.

    Args:
        job: the job to train; its run's metrics are saved, too.
        parts: the parts whose variables are saved.
        interruption: tells whether a signal asks to stop.

    Attributes:
        state: the position of the run.
        continues: True if the run continues from a checkpoint.
    """

    def __init__(self, job: Job, parts: Assembly, interruption: Interruption):
        self._step = parts.step
        self._variables = parts.step.variables
        self._run = job.run
        self._log = job.log
        self._claim = job.claim
        self._interruption = interruption
        self._worker = worker = job.worker
        self._agreement = Agreement(worker, parts.strategy)
        self._calls = 0
        self._lent = False  # True while the model holds weights of another step
        self._command = (
            "the same command with resume=auto" if job.config.resume.value == "never" else "the same command"
        )
        config = job.config.checkpoint
        self._checkpoints = Checkpoints(
            job.claim.folder,
            keep=config.keep,
            minutes=config.minutes,
            steps=config.steps,
            epochs=config.epochs,
            steps_per_epoch=parts.pipeline.steps_per_epoch,
        )
        checkpoint = self._checkpoints.latest(self._variables) if worker.is_chief else None
        step = self._agreement.chiefs(-1 if checkpoint is None else checkpoint.step)
        if not worker.is_chief and step >= 0:
            checkpoint = self._checkpoints.at(step, self._variables)
        self.continues = checkpoint is not None
        self.state = checkpoint or State()

    def boundary(self, read: Callable[[], None]) -> None:
        """Between two steps, save if a checkpoint is due; save and stop if a signal waits.

        Args:
            read: updates the state's sums.
        """
        self._interruption.defer()  # not during the first step: it may compile for minutes, and a stop loses nothing
        with self._interruption.deferred():
            stops = self._stops()
            if stops or (self._worker.is_chief and self._checkpoints.due(self.state)):
                read()
                self.save()
        if stops:
            self._stop()

    def save(self) -> None:
        """Save now, if this process is the chief.

        Raises:
            GlrError: another machine has taken the run over.
        """
        if self._lent or not self._worker.is_chief:
            return
        with self._interruption.deferred():
            self._claim.verify()
            self.state.metrics = self._run.metrics_so_far()
            self._checkpoints.save(self.state, self._variables, self._log.text() if self._log else "")

    @contextmanager
    def around(self) -> Iterator[None]:
        """Run code that changes no weights; on a signal, save and stop; on an error, save and raise it."""
        try:
            with self._interruption.at_once():
                yield
        except (KeyboardInterrupt, SystemExit, Exception) as error:
            # TensorFlow's C code turns the exception that a signal raises into other errors.
            if isinstance(error, Exception) and not self._interruption.pending:
                with suppress(GlrError):  # the first error is raised
                    self.save()
                    self._checkpoints.wait()
                raise
            if self._interruption.impatient:
                raise
            self.save()
            self._stop()

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """In this context, the model has the averages of its weights, if the optimizer keeps any; nothing is saved."""
        try:
            with self._interruption.deferred():
                self._step.swap_averages()
                self._lent = True
            self._interruption.obey()
            yield
        finally:
            with self._interruption.deferred():
                if self._lent:
                    self._step.swap_averages()
                    self._lent = False
        self._interruption.obey()

    @contextmanager
    def weights_of(self, step: int, model: keras.Model) -> Iterator[None]:
        """In this context, the model has the weights that a kept checkpoint's evaluation used, and nothing is saved.

        Signals wait while these weights are of another step than the training's.

        Raises:
            CheckpointError: the checkpoint is missing or damaged.
        """
        if step == self.state.step:
            with self.averaged():
                yield
            return
        with self._interruption.deferred():
            own = values_of(model.variables)
            places = {id(variable): place for place, variable in enumerate(self._variables)}
            self._lent = True  # a checkpoint saved now would mix weights of two steps
            try:
                evaluated = [places[id(variable)] for variable in self._step.evaluated]
                self._checkpoints.weights_of(step, model.variables, evaluated)
                yield
            finally:
                for variable, value in zip(model.variables, own, strict=True):
                    variable.assign(value)
                self._lent = False
        self._interruption.obey()

    def wait(self) -> bool:
        """Wait for the pending checkpoint; return whether its write succeeded."""
        return self._checkpoints.wait()

    def _stops(self) -> bool:
        """Return True if a signal waits; several workers ask each other, so that all stop after the same step."""
        if self._worker.count == 1:
            return self._interruption.pending
        self._calls += 1
        return self._calls % _CALLS_BETWEEN_QUESTIONS == 0 and self._agreement.any(self._interruption.pending)

    def _stop(self) -> None:
        with self._interruption.deferred():
            saved = self._checkpoints.wait()
        if saved and self._worker.is_chief:
            print(f"\nstopped after step {self.state.step:,}, saved; {self._command} continues", file=sys.stderr)
        self._interruption.obey()
        sys.exit(PREEMPTED)  # another worker received the signal
