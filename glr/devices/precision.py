"""The precision that devices compute in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from omegaconf import DictConfig

from glr.config.values import Precision

_BFLOAT16 = (8, 0)  # the least compute capability of GPUs with bfloat16


@contextmanager
def tensor_float_32(allowed: bool) -> Iterator[None]:
    """In this context, GPUs multiply float32 numbers in TensorFloat-32, with mantissas of 10 bits, only if `allowed`.

    The import of TensorFlow in `glr.devices.startup` turns it off for everything else: it would change descriptors by
    1e-3 and more, and reorder near neighbours.
    """
    enabled = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(allowed)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(enabled)


def product(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """The matrix product of float32 [B, D] and [D, C] with float32's accuracy, also where TensorFloat-32 is allowed."""
    if tf.config.experimental.tensor_float_32_execution_enabled() and tf.config.list_physical_devices("GPU"):
        return tf.cast(tf.matmul(tf.cast(left, tf.float64), tf.cast(right, tf.float64)), tf.float32)
    return tf.matmul(left, right)


def choose_precision(config: DictConfig) -> None:
    """Replace train.precision=auto by bfloat16 if the run's devices compute in it, else by float32."""
    if config.train.precision != Precision.auto:
        return
    strategy = config.strategy._target_.rpartition(".")[2]
    tpu = strategy == "tpu" or (strategy == "auto" and tf.config.list_physical_devices("TPU"))
    gpus = [] if strategy == "cpu" else tf.config.list_physical_devices("GPU")
    details: list[Any] = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    able = bool(details) and all(detail.get("compute_capability", (0, 0)) >= _BFLOAT16 for detail in details)
    config.train.precision = Precision.mixed_bfloat16 if tpu or able else Precision.float32
