"""Values over the global batch, for heads; with one replica, or outside a replica, they are the local values."""

from collections.abc import Callable

import tensorflow as tf


def gathered(values: tf.Tensor) -> tf.Tensor:
    """Concatenate the values [b, ...] of all replicas, [b * replicas, ...]; no gradient goes through."""
    context = _replica_context()
    return tf.stop_gradient(values if context is None else _all(values, context))


def shared(values: tf.Tensor) -> tf.Tensor:
    """As `gathered`, with the gradient of the global loss, the sum of all replicas' losses."""
    context = _replica_context()
    if context is None:
        return values

    @tf.custom_gradient  # pyright: ignore[reportUntypedFunctionDecorator]
    def gather(own: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            summed = context.all_reduce(tf.distribute.ReduceOp.SUM, upstream)
            return tf.slice(summed, [first(own), *[0] * (len(own.shape) - 1)], own.shape)

        return _all(own, context), gradient

    return gather(values)  # pyright: ignore[reportReturnType] (the decorated function returns the value alone)


def first(values: tf.Tensor) -> tf.Tensor | int:
    """The place of this replica's first value in the values that `gathered` returns."""
    context = _replica_context()
    return 0 if context is None else context.replica_id_in_sync_group * values.shape[0]


def global_mean(mean: tf.Tensor) -> tf.Tensor:
    """Return the mean over the global batch, from this replica's mean over its share; all shares have the same size."""
    context = _replica_context()
    return mean if context is None else context.all_reduce(tf.distribute.ReduceOp.MEAN, mean)


def _all(values: tf.Tensor, context: tf.distribute.ReplicaContext) -> tf.Tensor:
    everyone = context.all_gather(values, axis=0)
    everyone.set_shape([context.num_replicas_in_sync * values.shape[0], *values.shape[1:]])  # MirroredStrategy loses it
    return everyone


def _replica_context() -> tf.distribute.ReplicaContext | None:
    """Return the replica context if there are several replicas, else None."""
    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None
