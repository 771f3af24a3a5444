"""The train step: update the weights with one global batch, on any number of replicas."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, SupportsFloat

import keras
import numpy as np
import tensorflow as tf

from glr.devices.keras_internals import SkipNonFinite, batches_seen, keep_gradients, moving_averages
from glr.devices.precision import tensor_float_32
from glr.model.kernels import compile_kernels, compiled
from glr.model.network import RetrievalModel


class Outcome(NamedTuple):
    """Metrics of a step over the global batch; `loss` includes the penalty, `skipped` is 1 for a skipped step."""

    loss: float
    penalty: float
    accuracy: float
    skipped: float


class TrainStep:
    """Updates the weights with batches from a distributed iterator.

    Each replica's loss is divided by the global batch size and the gradients summed, so that a step does not depend on
    the number of replicas.

    Args:
        model: the model to train.
        optimizer: an optimizer that follows the schedule.
        schedule: maps a step to its learning rate, for the record.
        regularization: has `penalty(network, head)`, added to the loss.
        strategy: runs the step; the model and the optimizer were built in its scope.
        batch_size: images per step over all replicas.
        skip_non_finite: leave the weights as they are if a gradient is not finite.
        steps_per_call: steps per host call; if there are several, their batches are stacked.
    """

    def __init__(
        self,
        model: RetrievalModel,
        optimizer: keras.optimizers.Optimizer,
        schedule: Callable[[int], SupportsFloat],
        regularization: Any,
        strategy: tf.distribute.Strategy,
        batch_size: int,
        *,
        skip_non_finite: bool = False,
        steps_per_call: int = 1,
    ):
        self.model = model
        self.schedule = schedule
        self.regularization = regularization
        self.strategy = strategy
        self.batch_size = batch_size
        self.steps_per_call = steps_per_call
        with strategy.scope():
            # A loss-scaling optimizer itself skips steps with gradients that are not finite.
            scaling = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
            self.optimizer = SkipNonFinite(optimizer) if skip_non_finite and not scaling else optimizer
            self.optimizer.build(model.trainable_variables)
        # The step sums gradients over the replicas before it calls the optimizer. Keras's optimizers would otherwise
        # clip each replica's gradients, and test them for infinities, separately.
        keep_gradients(self._inner)
        # Keras keeps running means per replica and stores the first replica's. This step averages them instead.
        several = strategy.num_replicas_in_sync > 1
        own = [norm for norm in model.batch_norms() if several and norm.trainable and not norm.synchronized]
        self._running: list[Any] = [running for norm in own for running in (norm.moving_mean, norm.moving_variance)]
        # A skipped step must not change running means and head scales either.
        self._followers = [v for v in model.non_trainable_variables if "float" in v.dtype] if skip_non_finite else []
        self._on_gpus = "GPU" in strategy.extended.worker_devices[0]
        self._traced = False
        # No AutoGraph: it would only delay the first step, as no Python control flow over tensors needs rewriting.
        self._compiled = tf.function(self._one if steps_per_call == 1 else self._several, autograph=False)

    def __call__(self, batch: object, steps: int = 1) -> tf.Tensor:
        """Make one step, or `steps` steps with as many stacked batches.

        Returns:
            The numbers of `Outcome`, still on the device: float32 [4], or [steps_per_call, 4] with `steps` valid rows.
        """
        # The policy of a network that computes in float32 leaves its products to TensorFloat-32 in training only.
        with tensor_float_32(self._on_gpus and self.model.network.compute_dtype == "float32"):
            return self._call(batch, steps)

    def _call(self, batch: object, steps: int) -> tf.Tensor:
        given = (batch,) if self.steps_per_call == 1 else (batch, tf.constant(steps))
        if self._on_gpus and not self._traced:
            self._compiled.get_concrete_function(*given)
            compile_kernels()
            self._traced = True
        return self._compiled(*given)

    @property
    def variables(self) -> list[keras.Variable]:
        """All variables that a step changes: weights, running means, scales, random seeds, and the optimizer's."""
        return [*self.model.variables, *self.optimizer.variables]

    @property
    def evaluated(self) -> list[keras.Variable]:
        """The variables whose values an evaluation uses, one per variable of the model: its moving average, or itself.

        BatchNorm's running statistics are running means already, so Keras keeps no further average of them.
        """
        averages = {id(weight): average for weight, average in moving_averages(self._inner)}
        return [averages.get(id(variable), variable) for variable in self.model.variables]

    def swap_averages(self) -> None:
        """Exchange the trained weights with their moving averages, if any; the second call restores every bit."""
        for weight, average in moving_averages(self._inner):
            value = weight.value.read_value()
            weight.assign(average.value.read_value())
            average.assign(value)

    def learning_rate(self) -> float:
        """The rate of the last step."""
        return float(self.schedule(max(batches_seen(self._inner) - 1, 0)))

    def largest_head_weight(self) -> float:
        """The largest absolute value among the head's weights; NaN if any of them is NaN."""
        weights = [weight.value.read_value() for weight in self.model.head.trainable_variables]
        return max((float(tf.reduce_max(tf.abs(weight))) for weight in weights), default=0.0)

    @property
    def _inner(self) -> Any:
        return getattr(self.optimizer, "inner_optimizer", self.optimizer)

    def _one(self, batch: object) -> tf.Tensor:
        measured = self.strategy.run(self.replica_step, batch)
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, measured, axis=None)

    def _several(self, batches: tuple[tf.Tensor, ...], steps: tf.Tensor) -> tf.Tensor:
        # No tf.range and no TensorArray: their shapes are known at run time only.

        def next_step(number: tf.Tensor, measured: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            outcome = self.strategy.run(self.replica_step_of, (number, *batches))
            outcome = self.strategy.reduce(tf.distribute.ReduceOp.SUM, outcome, axis=None)
            return number + 1, tf.tensor_scatter_nd_update(measured, [[number]], [outcome])

        first = tf.constant(0), tf.zeros((self.steps_per_call, 4))
        return tf.while_loop(lambda number, _: number < steps, next_step, first)[1]

    def replica_step_of(self, number: tf.Tensor, images: tf.Tensor, labels: tf.Tensor, colours: tf.Tensor) -> tf.Tensor:
        """Make the step for batch `number` of the stacked batches."""
        return self.replica_step(images[number], labels[number], colours[number])

    def replica_step(self, images: tf.Tensor, labels: tf.Tensor, colours: tf.Tensor) -> tf.Tensor:
        """A replica's part of a step, on its share of the batch: the numbers of `Outcome`."""
        weights = self.model.trainable_variables
        before = [tf.identity(follower.value) for follower in self._followers]
        with tf.GradientTape() as tape, compiled(self._on_gpus):
            losses, correct = self.model.losses_of(images, labels, colours)
            penalty = self.regularization.penalty(self.model.network, self.model.head)
            penalty /= self.strategy.num_replicas_in_sync
            loss = tf.reduce_sum(losses) / self.batch_size + penalty
            scaled: Any = self.optimizer.scale_loss(loss)
        variables: Any = [weight.value for weight in weights]
        gradients = self._summed(tape.gradient(scaled, variables))
        if self._running:
            context = tf.distribute.get_replica_context()
            means = context.all_reduce(tf.distribute.ReduceOp.MEAN, [tf.identity(v.value) for v in self._running])
            for running, mean in zip(self._running, means, strict=True):
                running.assign(mean)
        skipped = tf.zeros(())
        if self._followers:
            finite: Any = self.optimizer.check_finite(gradients)
            # Loss scaling skips steps regularly; these are not counted.
            if isinstance(self.optimizer, SkipNonFinite):
                skipped = tf.where(finite, 0.0, 1.0) / self.strategy.num_replicas_in_sync
            for follower, old in zip(self._followers, before, strict=True):
                follower.assign(tf.where(finite, follower.value, old))
        self.optimizer.apply(gradients, weights)
        accuracy = tf.reduce_sum(tf.cast(correct, tf.float32)) / self.batch_size
        return tf.stack([loss, penalty, accuracy, skipped])

    def _summed(self, gradients: list[tf.Tensor | None]) -> list[tf.Tensor | None]:
        """Return the gradients summed over the replicas; None for a weight that does not affect the loss."""
        known = [gradient for gradient in gradients if gradient is not None]
        context = tf.distribute.get_replica_context()
        if self.strategy.num_replicas_in_sync > 1:
            known = context.all_reduce(tf.distribute.ReduceOp.SUM, known)
        rest = iter(known)
        return [None if gradient is None else next(rest) for gradient in gradients]


def outcomes(measured: Sequence[tuple[tf.Tensor, int]]) -> list[Outcome]:
    """The outcome of each step, fetched from the device; `measured` has each call's result and number of steps."""
    rows = [np.reshape(result.numpy(), (-1, 4))[:steps] for result, steps in measured]
    return [Outcome(*row.tolist()) for part in rows for row in part]
