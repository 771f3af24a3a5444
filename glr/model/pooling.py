"""Pooling: feature maps [B, h, w, C], or the class tokens of transformers, to one vector per image."""

import math
from typing import Any

import keras
import tensorflow as tf

from glr.errors import GlrError


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


class ClassToken(keras.layers.Layer):
    """The class token of a transformer (Dosovitskiy et al., arXiv:2010.11929) in place of its feature map."""

    reads_class_token = True

    def __init__(self):
        super().__init__()

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Take the second of a feature map [B, h, w, C] and a class token [B, C]."""
        return inputs[1]


class ClassTokenGeM(GeM):
    """The class token and the generalised mean of the feature map, side by side.

    DINOv2's linear probes take the plain mean instead (Oquab et al., arXiv:2304.07193).

    Args, Raises: those of `GeM`.
    """

    reads_class_token = True

    def call(self, features: Any) -> tf.Tensor:
        """Pool a feature map [B, h, w, C] and a class token [B, C] to [B, 2 C]."""
        maps, token = features
        return tf.concat([token, super().call(maps)], axis=-1)


def pooled(backbone: keras.Model, pooling: keras.layers.Layer) -> object:
    """Select the outputs of a backbone that a pooling reads: the feature map, with the class token if it wants it.

    Raises:
        GlrError: the backbone has no class token.
    """
    features, *token = backbone.outputs
    if not getattr(pooling, "reads_class_token", False):
        return features
    if not token:
        raise GlrError(f"pooling: {backbone.name} has no class token for {type(pooling).__name__}; give pooling=gem")
    return [features, *token]
