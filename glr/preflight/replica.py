"""A stand-in for one replica of a TPU slice: traces a step without a slice, with XLA's own collectives."""

from typing import Any

import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops


class OneOfMany(tf.distribute.OneDeviceStrategy):  # pyright: ignore[reportUntypedBaseClass]
    """Imitates one replica of `TPUStrategy` for the compiler: one trace stands for all replicas.

    Attributes:
        exchanged: total bytes that the traced collectives sum over the replicas.
    """

    def __init__(self, replicas: int):
        super().__init__("/cpu:0")
        self._replicas = replicas
        self.exchanged = 0

    @property
    def num_replicas_in_sync(self) -> int:
        """The number of replicas that share a batch."""
        return self._replicas

    def run(self, fn: Any, args: Any = (), kwargs: Any = None, options: Any = None) -> Any:  # noqa: ARG002
        """Call the function as one of the replicas."""
        with _Replica(self, replica_id_in_sync_group=0):
            return fn(*args, **(kwargs or {}))


class _Replica(tf.distribute.ReplicaContext):  # pyright: ignore[reportUntypedBaseClass]
    def all_reduce(self, reduce_op: Any, value: Any, options: Any = None) -> Any:  # noqa: ARG002
        mean = tf.distribute.ReduceOp(reduce_op) == tf.distribute.ReduceOp.MEAN
        return tf.nest.map_structure(lambda v: self._sum(v) / (self.num_replicas_in_sync if mean else 1), value)

    def all_gather(self, value: tf.Tensor, axis: int, options: object = None) -> tf.Tensor:  # noqa: ARG002
        # As in TPUStrategy: a sum of the replicas' values, each at its own place and zero elsewhere.
        place = tf.one_hot(gen_xla_ops.xla_replica_id(), self.num_replicas_in_sync, dtype=value.dtype)
        shape = [1] * axis + [self.num_replicas_in_sync] + [1] * (len(value.shape) - axis)
        spread = tf.expand_dims(value, axis) * tf.reshape(place, shape)
        gathered = list(value.shape)
        gathered[axis] *= self.num_replicas_in_sync
        return tf.reshape(self._sum(spread), gathered)

    def _sum(self, value: tf.Tensor) -> tf.Tensor:
        value = tf.convert_to_tensor(value)
        self.strategy.exchanged += value.dtype.size * value.shape.num_elements()
        everyone = [list(range(self.num_replicas_in_sync))]
        return gen_xla_ops.xla_all_reduce(value, everyone, reduce_op="Add", mode="CrossReplica")
