"""The training loop: epochs of steps with a progress bar, and what was measured in each."""

import math
import time
from collections.abc import Iterator
from typing import Any

from tqdm import tqdm

from glr.errors import DivergedError
from glr.training.step import TrainStep

_SECONDS_BETWEEN_READINGS = 2.0
_LARGEST_WEIGHT = 1e4  # weights begin below 1; cosines stay finite however large these grow, so that no loss tells


def epochs(step: TrainStep, batches: Any, *, first: int, last: int, steps_per_epoch: int) -> Iterator[dict[str, float]]:
    """Train epochs `first` to `last` (from 1, inclusive), yielding each one's metrics when it is done.

    Args:
        step: takes a batch and updates the weights.
        batches: a distributed iterator that holds all the epochs' batches.
        first, last: epochs to train.
        steps_per_epoch: batches in each.

    Yields:
        loss, penalty, accuracy (means over the epoch), learning_rate and head_scale (at its last step),
        images_per_second and seconds.

    Raises:
        DivergedError: the loss is not finite, or the head's weights have exploded.
    """
    for epoch in range(first, last + 1):
        step.reset()
        started, read = time.monotonic(), -math.inf  # the first step is read, so that a hopeless run ends at once
        with tqdm(
            total=steps_per_epoch * step.batch_size,
            unit=" images",
            desc=f"epoch {epoch}/{last}",
            leave=False,
            disable=None,
        ) as bar:
            for number in range(steps_per_epoch):
                step(batches)
                bar.update(step.batch_size)
                # Reading a value waits for the device, so that the bar's figures are few and its rate is true.
                if (now := time.monotonic()) - read > _SECONDS_BETWEEN_READINGS or number == steps_per_epoch - 1:
                    read = now
                    means = step.means()
                    bar.set_postfix(loss=f"{means['loss']:.3f}", accuracy=f"{means['accuracy']:.3f}")
                    if (symptom := _diverged(means["loss"], step.largest_head_weight())) is not None:
                        at = (epoch - 1) * steps_per_epoch + number + 1
                        raise DivergedError(
                            f"{symptom} at or shortly before step {at} (epoch {epoch}, learning rate "
                            f"{step.learning_rate():g}); lower optimizer.learning_rate, "
                            "or set optimizer.global_clipnorm"
                        )
        seconds = time.monotonic() - started
        yield {
            **step.means(),
            "learning_rate": step.learning_rate(),
            "head_scale": float(step.model.head.scale.value.read_value()),
            "images_per_second": steps_per_epoch * step.batch_size / seconds,
            "seconds": seconds,
        }


def _diverged(loss: float, largest_weight: float) -> str | None:
    """What shows that training diverged, if it did."""
    if not math.isfinite(loss):
        return f"the loss became {loss}"
    if not largest_weight <= _LARGEST_WEIGHT:
        return f"the head's weights exploded (the largest is {largest_weight:.3g})"
    return None
