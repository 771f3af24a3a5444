"""The train step: one global batch through the model, over however many replicas, to new weights."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from glr.model import RetrievalModel


class TrainStep:
    """Takes batches from a distributed iterator and updates the weights.

    Each replica's loss is divided by the global batch size and the gradients summed, so that a step does not depend on
    the number of replicas.

    Args:
        model: its trainable weights are updated.
        optimizer: follows the schedule.
        schedule: from the step to the learning rate, for the record.
        regularization: has `penalty(network, head)`, added to the loss.
        strategy: whose scope the model and the optimizer were made in.
        batch_size: images per step over all replicas.
    """

    def __init__(
        self,
        model: RetrievalModel,
        optimizer: keras.optimizers.Optimizer,
        schedule: Callable[[int], Any],
        regularization: Any,
        strategy: tf.distribute.Strategy,
        batch_size: int,
    ):
        self.model = model
        self.optimizer = optimizer
        self.schedule = schedule
        self.regularization = regularization
        self.strategy = strategy
        self.batch_size = batch_size
        with strategy.scope():
            optimizer.build(model.trainable_variables)
            self._totals = {
                name: tf.Variable(
                    tf.zeros(()),
                    trainable=False,
                    name=name,
                    synchronization=tf.VariableSynchronization.ON_READ,
                    aggregation=tf.VariableAggregation.SUM,
                )
                for name in ("loss", "penalty", "accuracy")
            }
        self._steps = 0
        self._compiled = tf.function(self._distributed)

    def __call__(self, batches: Any) -> None:
        """Take the next batch of a distributed iterator and make a step."""
        self._compiled(next(batches))
        self._steps += 1

    def means(self) -> dict[str, float]:
        """Mean loss (with the penalty), penalty and training accuracy over the steps since the last `reset`."""
        return {name: float(total.read_value()) / max(self._steps, 1) for name, total in self._totals.items()}

    def learning_rate(self) -> float:
        """The rate of the last step."""
        optimizer = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        return float(self.schedule(max(int(optimizer._iterations.value.read_value()) - 1, 0)))

    def largest_head_weight(self) -> float:
        """The largest absolute value among the head's weights; not a number where one of them is none."""
        weights = [weight.value.read_value() for weight in self.model.head.trainable_variables]
        return max((float(tf.reduce_max(tf.abs(weight))) for weight in weights), default=0.0)

    def reset(self) -> None:
        """Begin new means."""
        self._steps = 0
        for total in self._totals.values():
            total.assign(0.0)

    def _distributed(self, batch: Any) -> None:
        self.strategy.run(self._replica_step, batch)

    def _replica_step(self, images: tf.Tensor, labels: tf.Tensor, colours: tf.Tensor) -> None:
        weights = self.model.trainable_variables
        with tf.GradientTape() as tape:
            losses, correct = self.model.losses_of(images, labels, colours)
            penalty = self.regularization.penalty(self.model.network, self.model.head)
            penalty /= self.strategy.num_replicas_in_sync
            loss = tf.reduce_sum(losses) / self.batch_size + penalty
            scaled = self.optimizer.scale_loss(loss)
        variables = [weight.value for weight in weights]  # pyright: ignore[reportOptionalMemberAccess]
        gradients = tape.gradient(scaled, variables)
        self.optimizer.apply(gradients, weights)
        accuracy = tf.reduce_sum(tf.cast(correct, tf.float32)) / self.batch_size
        for name, value in (("loss", loss), ("penalty", penalty), ("accuracy", accuracy)):
            self._totals[name].assign_add(value)
