"""The training loop: the steps of an epoch, their progress bar and metrics, and the checks that stop a diverged run."""

import math
import time
from collections.abc import Iterator

import tensorflow as tf

from glr.config.printing import progress_bar
from glr.errors import DivergedError
from glr.train.feed import Feed
from glr.train.state import EpochSums, State
from glr.train.step import TrainStep, outcomes

_SECONDS_BETWEEN_READINGS = 2.0
_LARGEST_WEIGHT = 1e4  # weights begin below 1; the loss depends on cosines only, so it stays finite if weights explode


class Loop:
    """Trains a run from the position that its state holds.

    Args:
        step: updates the weights with a batch.
        batches: an iterator over (batch, steps in it), from the state's step on.
        state: updated in place.
        steps_per_epoch: batches in each epoch.
        max_skipped: number of batches that may be skipped for gradients that are not finite; one more stops the run.
    """

    def __init__(self, step: TrainStep, batches: Feed, state: State, *, steps_per_epoch: int, max_skipped: int = 0):
        self.step = step
        self._batches = batches
        self._state = state
        self._steps_per_epoch = steps_per_epoch
        self._max_skipped = max_skipped
        self._pending: list[tuple[tf.Tensor, int]] = []
        self._first = True

    def epoch(self, label: str = "") -> Iterator[bool]:
        """Train the remaining steps of the epoch; none remain if the run stopped before it recorded the metrics.

        Args:
            label: text of the progress bar.

        Yields:
            After each call of the step, True if the state's sums are up to date. The caller's time does not count as
            training.

        Raises:
            DivergedError: a loss is not finite, too many batches were skipped, or the head's weights have exploded.
        """
        state, per_epoch = self._state, self._steps_per_epoch
        begin, end = state.evaluated * per_epoch, (state.evaluated + 1) * per_epoch
        state.begin_epoch(per_epoch)
        read = -math.inf  # read the first step, so that a run that diverges at once ends at once
        with progress_bar(
            total=per_epoch * self.step.batch_size,
            initial=(state.step - begin) * self.step.batch_size,
            unit=" images",
            desc=label,
            leave=False,
        ) as bar:
            while state.step < end:
                started = time.monotonic()
                with tf.profiler.experimental.Trace("train", step_num=state.step, _r=1):  # a step, for the profiler
                    steps = self._call(started)
                state.step += steps
                bar.update(steps * self.step.batch_size)
                # Reading a value waits for the device. A rare read costs little and keeps the bar's rate correct.
                if due := time.monotonic() - read > _SECONDS_BETWEEN_READINGS or state.step == end:
                    read = time.monotonic()
                    self.read()
                    self._check_weights()
                    loss, accuracy = (_mean(state.sums, total) for total in (state.sums.loss, state.sums.accuracy))
                    bar.set_postfix(loss=f"{loss:.3f}", accuracy=f"{accuracy:.3f}")
                state.sums.seconds += time.monotonic() - started
                yield due

    def _call(self, started: float) -> int:
        """Wait for a batch, call the step, and return the number of steps in the call."""
        batch, steps = next(self._batches)
        if not self._first:  # the first batch also waits for the pipeline's start
            self._state.sums.waited += time.monotonic() - started
        self._first = False
        self._pending.append((self.step(batch, steps), steps))
        return steps

    def read(self) -> None:
        """Add the steps since the last reading to the state's sums.

        Raises:
            DivergedError: a loss is not finite, or too many batches were skipped.
        """
        measured = outcomes(self._pending)
        self._pending.clear()
        sums, first = self._state.sums, self._state.step - len(measured)
        for number, one in enumerate(measured, start=first + 1):
            finite = math.isfinite(one.loss)
            if not finite and not self._max_skipped:
                raise DivergedError(f"the loss became {one.loss} at step {number}{self._advice(number)}")
            if one.skipped or not finite:
                sums.skipped += 1
                self._state.skipped += 1
                if self._state.skipped > self._max_skipped:
                    raise DivergedError(
                        f"{self._state.skipped} batches had no finite gradient, the last at step {number}: more than "
                        f"train.max_skipped_batches={self._max_skipped}{self._advice(number)}"
                    )
                continue
            sums.loss += one.loss
            sums.penalty += one.penalty
            sums.accuracy += one.accuracy
            sums.steps += 1

    def _check_weights(self) -> None:
        largest = self.step.largest_head_weight()
        if not largest <= _LARGEST_WEIGHT:
            at = self._state.step
            raise DivergedError(
                f"the head's weights exploded (the largest is {largest:.3g}) at or shortly before step {at}"
                f"{self._advice(at)}"
            )

    def _advice(self, step: int) -> str:
        epoch = (step - 1) // self._steps_per_epoch + 1
        rate = float(self.step.schedule(step - 1))
        return (
            f" (epoch {epoch}, learning rate {rate:g}); lower optimizer.learning_rate, or set optimizer.global_clipnorm"
        )

    def metrics(self) -> dict[str, float]:
        """The metrics of the epoch.

        Returns:
            loss, penalty, accuracy (means over the epoch), learning_rate and, if the head has one, head_scale (at its
            last step), images_per_second, seconds, data_wait_share (share of the seconds spent waiting for images),
            compute_images_per_second (without the waiting) and, if batches may be skipped, skipped_batches.
        """
        sums, images = self._state.sums, self._steps_per_epoch * self.step.batch_size
        computing = max(sums.seconds - sums.waited, 1e-9)
        metrics = {
            "loss": _mean(sums, sums.loss),
            "penalty": _mean(sums, sums.penalty),
            "accuracy": _mean(sums, sums.accuracy),
            "learning_rate": self.step.learning_rate(),
            "images_per_second": images / sums.seconds,
            "seconds": sums.seconds,
            "data_wait_share": sums.waited / sums.seconds,
            "compute_images_per_second": images / computing,
        }
        if (scale := self.step.model.head.scale) is not None:
            metrics["head_scale"] = float(scale.value.read_value())
        if self._max_skipped:
            metrics["skipped_batches"] = sums.skipped
        return metrics


def _mean(sums: EpochSums, total: float) -> float:
    return total / max(sums.steps, 1)
