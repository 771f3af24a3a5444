"""Pooling: feature maps [B, h, w, C] to one vector [B, C] per image."""

import math

import keras
import tensorflow as tf


class GeM(keras.layers.Layer):
    """Generalised mean over the positions: (mean of x^p)^(1/p) (Radenovic et al., arXiv:1711.02512).

    One p serves all channels. Computes in float32 under every precision policy and returns the policy's compute dtype.

    Args:
        p: the exponent, or its initial value; 1 is the average, a large p approaches the maximum.
        learnable: train p.
        floor: smaller values, including negative ones, are raised to this value.

    Raises:
        ValueError: p or floor is not above 0.
    """

    def __init__(self, *, p: float, learnable: bool, floor: float):
        super().__init__()
        for name, value in (("p", p), ("floor", floor)):
            if not 0 < value < math.inf:
                raise ValueError(f"{name}={value}: expected a number above 0")
        self.first_p = p
        self.learnable = learnable
        self.floor = floor

    def build(self, input_shape: tuple[int | None, ...]) -> None:  # noqa: ARG002
        """Create the weight p, a float32 scalar."""
        self.p = self.add_weight(
            name="p",
            shape=(),
            initializer=keras.initializers.Constant(self.first_p),
            dtype="float32",
            trainable=self.learnable,
            autocast=False,  # bfloat16 would round p to steps of 1/64
        )

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """Pool float [B, h, w, C] to [B, C]."""
        p = tf.convert_to_tensor(self.p)
        logs = tf.math.log(tf.maximum(tf.cast(features, tf.float32), self.floor))
        # Use logarithms: floor^p underflows float32 from p = 6.4 on, and an empty channel's gradient would be NaN.
        positions = tf.cast(tf.shape(features)[1] * tf.shape(features)[2], tf.float32)
        log_means = tf.reduce_logsumexp(p * logs, axis=[1, 2]) - tf.math.log(positions)
        return tf.cast(tf.exp(log_means / p), self.compute_dtype)

    def get_config(self) -> dict[str, float | bool]:
        """The constructor's arguments."""
        return {"p": self.first_p, "learnable": self.learnable, "floor": self.floor}
