"""Values of the whole global batch that heads need; unchanged with one replica, and outside of any."""

import tensorflow as tf


def gathered(values: tf.Tensor) -> tf.Tensor:
    """The values [b] of every replica behind each other, [b * replicas]."""
    context = _several()
    return values if context is None else context.all_gather(values, axis=0)


def global_mean(mean: tf.Tensor) -> tf.Tensor:
    """The mean over the global batch, from this replica's mean over its share; shares are of one size."""
    context = _several()
    return mean if context is None else context.all_reduce(tf.distribute.ReduceOp.MEAN, mean)


def _several() -> tf.distribute.ReplicaContext | None:
    """The replica context where there are several replicas, else None."""
    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None
