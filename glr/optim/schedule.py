"""Learning rates by step. Schedules take int or float steps, counted from 0, and keep their last value past the end."""

import inspect
import math

import keras
import tensorflow as tf


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Base class: stores each constructor argument under the same name."""

    def get_config(self) -> dict[str, object]:
        """The constructor's arguments."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}


class Constant(Schedule):
    """The peak rate throughout.

    Args:
        peak: the rate.

    Raises:
        ValueError: an argument out of range.
    """

    def __init__(self, *, peak: float):
        _check_rates(peak)
        self.peak = peak

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:  # noqa: ARG002
        """The rate of a step, float32."""
        return tf.constant(self.peak, tf.float32)


class Ramp(Schedule):
    """Per epoch: a rise from the floor to the peak in equal steps, then an exponential decay towards the floor.

    Epoch e: floor + (peak - floor) e / ramp_epochs before the peak, floor + (peak - floor) decay^(e - ramp_epochs) from
    the peak on.

    Args:
        peak: the rate of epoch `ramp_epochs`.
        floor: the rate of epoch 0, and the limit of the decay.
        ramp_epochs: epochs before the peak.
        decay: share of the distance to the floor that each later epoch keeps.
        steps_per_epoch: number of steps in an epoch.

    Raises:
        ValueError: an argument out of range.
    """

    def __init__(self, *, peak: float, floor: float, ramp_epochs: int, decay: float, steps_per_epoch: int):
        _check_rates(peak, floor)
        _check("ramp_epochs", ramp_epochs, 0)
        if not 0 < decay <= 1:
            raise ValueError(f"decay={decay}: expected above 0, at most 1")
        _check("steps_per_epoch", steps_per_epoch, 1)
        self.peak = peak
        self.floor = floor
        self.ramp_epochs = ramp_epochs
        self.decay = decay
        self.steps_per_epoch = steps_per_epoch

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """The rate of a step, float32."""
        epoch = tf.cast(_whole(step) // self.steps_per_epoch, tf.float32)
        rise = epoch / max(self.ramp_epochs, 1)
        fall = tf.pow(self.decay, epoch - self.ramp_epochs)
        return self.floor + (self.peak - self.floor) * tf.where(epoch < self.ramp_epochs, rise, fall)


class Cosine(Schedule):
    """Per step: from the peak to the floor along half a cosine (Loshchilov and Hutter, arXiv:1608.03983, no restarts).

    Args:
        peak: the rate of step 0.
        floor: the rate from `total_steps` on.
        total_steps: steps of the whole run.

    Raises:
        ValueError: an argument out of range.
    """

    def __init__(self, *, peak: float, floor: float, total_steps: int):
        _check_rates(peak, floor)
        _check("total_steps", total_steps, 1)
        self.peak = peak
        self.floor = floor
        self.total_steps = total_steps

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """The rate of a step, float32."""
        return self.floor + (self.peak - self.floor) * _half_cosine(_whole(step), self.total_steps)


class WarmupCosine(Schedule):
    """Per step: a line from the floor at step 0 to the peak, then half a cosine back (Goyal et al., arXiv:1706.02677).

    Args:
        peak: the rate at the end of the warm-up.
        floor: the rate of step 0, and from `total_steps` on.
        warmup_epochs: length of the warm-up; may be a fraction.
        steps_per_epoch: number of steps in an epoch.
        total_steps: steps of the whole run.

    Raises:
        ValueError: an argument out of range, or a warm-up that is not shorter than the run.
    """

    def __init__(self, *, peak: float, floor: float, warmup_epochs: float, steps_per_epoch: int, total_steps: int):
        _check_rates(peak, floor)
        _check("warmup_epochs", warmup_epochs, 0)
        _check("steps_per_epoch", steps_per_epoch, 1)
        _check("total_steps", total_steps, 1)
        self.peak = peak
        self.floor = floor
        self.warmup_epochs = warmup_epochs
        self.steps_per_epoch = steps_per_epoch
        self.total_steps = total_steps
        self.warmup_steps = round(warmup_epochs * steps_per_epoch)
        if self.warmup_steps >= total_steps:
            epochs = total_steps / steps_per_epoch
            raise ValueError(f"warmup_epochs={warmup_epochs}: expected less than the run's {epochs:g} epochs")

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """The rate of a step, float32."""
        step = _whole(step)
        rise = tf.cast(step, tf.float32) / max(self.warmup_steps, 1)
        fall = _half_cosine(step - self.warmup_steps, self.total_steps - self.warmup_steps)
        return self.floor + (self.peak - self.floor) * tf.where(step < self.warmup_steps, rise, fall)


class StepDecay(Schedule):
    """The peak rate, multiplied by a factor at the beginning of each of the given epochs.

    Args:
        peak: the rate of epoch 0.
        factor: multiplies the rate.
        epochs: the epochs that begin with a multiplication; counted from 0, ascending.
        steps_per_epoch: number of steps in an epoch.

    Raises:
        ValueError: an argument out of range, or epochs that do not rise.
    """

    def __init__(self, *, peak: float, factor: float, epochs: list[int], steps_per_epoch: int):
        _check_rates(peak)
        if not 0 < factor <= 1:
            raise ValueError(f"factor={factor}: expected above 0, at most 1")
        if not epochs or list(epochs) != sorted({*epochs}) or epochs[0] < 1:
            raise ValueError(f"epochs={epochs}: expected rising numbers, the first at least 1")
        _check("steps_per_epoch", steps_per_epoch, 1)
        self.peak = peak
        self.factor = factor
        self.epochs = list(epochs)
        self.steps_per_epoch = steps_per_epoch

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """The rate of a step, float32."""
        passed = _whole(step) // self.steps_per_epoch >= tf.constant(self.epochs, tf.int64)
        return self.peak * tf.pow(self.factor, tf.reduce_sum(tf.cast(passed, tf.float32)))


def _whole(step: int | tf.Tensor) -> tf.Tensor:
    """The step as int64: float32 tells neighbouring steps apart only up to 2^24."""
    return tf.cast(step, tf.int64)


def _half_cosine(step: tf.Tensor, steps: int) -> tf.Tensor:
    """Return half a cosine: 1 up to step 0, then falling, and 0 from `steps` on."""
    progress = tf.cast(tf.clip_by_value(step, 0, steps), tf.float32) / steps
    return (1 + tf.cos(math.pi * progress)) / 2


def _check_rates(peak: float, floor: float = 0.0) -> None:
    if not 0 < peak < math.inf:
        raise ValueError(f"peak={peak}: expected a number above 0")
    if not 0 <= floor <= peak:
        raise ValueError(f"floor={floor}: expected 0 to the peak rate, {peak}")


def _check(name: str, value: float, lowest: int) -> None:
    if not lowest <= value < math.inf:
        raise ValueError(f"{name}={value}: expected at least {lowest}")
