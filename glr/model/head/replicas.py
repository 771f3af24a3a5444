"""Values over the global batch, for heads; with one replica, or outside a replica, they are the local values."""

import tensorflow as tf


def gathered(values: tf.Tensor) -> tf.Tensor:
    """Concatenate the values [b] of all replicas, [b * replicas]."""
    context = _replica_context()
    return values if context is None else context.all_gather(values, axis=0)


def global_mean(mean: tf.Tensor) -> tf.Tensor:
    """Return the mean over the global batch, from this replica's mean over its share; all shares have the same size."""
    context = _replica_context()
    return mean if context is None else context.all_reduce(tf.distribute.ReduceOp.MEAN, mean)


def _replica_context() -> tf.distribute.ReplicaContext | None:
    """Return the replica context if there are several replicas, else None."""
    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None
