"""Watch the pace of a training run: report the remaining time to a launcher, and warn of a slow input pipeline."""

import os
import sys

from omegaconf import DictConfig

from glr.config.printing import say
from glr.sweep import progress
from glr.sweep.words import duration
from glr.train.state import State

_LONG_WAIT = 0.2  # warn if the device waits for images longer than this share of an epoch's time
_WORTH_SAYING = 5.0  # seconds; shorter waits cause no warning
_LONG_ENOUGH = 120.0  # seconds of an epoch after which the warning does not wait for its end
_SILENT = 30.0  # seconds of an epoch after which the pace is printed once


class Watch:
    """Watches a training run through its state.

    Args:
        config: composed from conf/train.yaml.
        state: the run's state.
        steps_per_epoch: number of steps in an epoch.
    """

    def __init__(self, config: DictConfig, state: State, steps_per_epoch: int):
        self._config = config
        self._state = state
        self._steps_per_epoch = steps_per_epoch
        self._warned = 0  # the last epoch with a warning
        # Epoch, step and seconds from which to measure the pace: the first step compiles. None: nothing left to print.
        self._measured_from: tuple[int, int, float] | None = None if sys.stdout.isatty() else (-1, 0, 0.0)

    def report(self, evaluation_seconds: float) -> None:
        """Report the run's progress to the launcher; in a long epoch, print the pace once.

        Args:
            evaluation_seconds: duration of an evaluation.
        """
        state, epochs = self._state, self._config.train.epochs
        every = self._config.evaluate.every or epochs
        epoch = state.evaluated + 1
        evaluations = -(-(epochs - epoch + 1) // every)
        steps = epochs * self._steps_per_epoch - state.step
        left = steps * state.sums.seconds / max(self._done, 1) + evaluations * evaluation_seconds
        progress.report(epoch=epoch, epochs=epochs, seconds_left=left)
        self._tell_pace(steps)
        if state.sums.seconds > _LONG_ENOUGH:
            self.warn()

    def _tell_pace(self, steps: int) -> None:
        """Print the pace and the remaining time of training once, in a long epoch; a terminal has a progress bar.

        Args:
            steps: left in the whole run.
        """
        if self._measured_from is None:
            return
        state, (epoch, step, since) = self._state, self._measured_from
        if epoch != state.evaluated:  # the first report of this process, or of an epoch
            self._measured_from = (state.evaluated, state.step, state.sums.seconds)
        elif (seconds := state.sums.seconds - since) > _SILENT:
            self._measured_from = None
            pace, total = (state.step - step) / seconds, self._config.train.epochs * self._steps_per_epoch
            speed = f"{pace * self._config.train.batch_size:,.3g} images/s"
            say(f"step {state.step:,} of {total:,}: {speed}, about {duration(steps / pace)} of training to go")

    def warn(self) -> None:
        """Warn, at most once an epoch, if the input pipeline is too slow."""
        sums, epoch = self._state.sums, self._state.evaluated + 1
        if epoch == self._warned or sums.waited < max(_LONG_WAIT * sums.seconds, _WORTH_SAYING):
            return
        self._warned = epoch
        images = self._done * self._config.train.batch_size
        print(
            f"\nthe device waited for images {sums.waited / sums.seconds:.0%} of the time: it computes "
            f"{images / max(sums.seconds - sums.waited, 1e-9):.0f} images/s, the input pipeline delivered "
            f"{images / sums.seconds:.0f}; data.parallelism={self._config.data.parallelism} on {os.cpu_count()} cores",
            end="" if self._done == self._steps_per_epoch else "\n",
            file=sys.stderr,
        )

    @property
    def _done(self) -> int:
        """The number of steps done in the epoch."""
        return self._state.step - self._state.evaluated * self._steps_per_epoch
