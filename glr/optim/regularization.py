"""Penalties on the weights, added to the loss once per step."""

import math
from typing import Literal

import keras
import tensorflow as tf

from glr.errors import GlrError


class Unregularized:
    """No penalty."""

    def penalty(self, network: keras.Model, head: keras.layers.Layer) -> tf.Tensor:  # noqa: ARG002
        """Return 0, as a float32 scalar."""
        return tf.zeros(())


class L2:
    """weight_decay * sum of squares of kernels; biases, BatchNorm and GeM's p are never penalised.

    Args:
        weight_decay: the factor.
        scope: "head": the head's kernel alone; "all": also every trainable convolution and dense kernel of the network
            (including those of depthwise and separable convolutions).

    Raises:
        ValueError: a negative weight decay, or another scope.
    """

    def __init__(self, *, weight_decay: float, scope: Literal["head", "all"]):
        if not 0 <= weight_decay < math.inf:
            raise ValueError(f"weight_decay={weight_decay}: expected at least 0")
        if scope not in {"head", "all"}:
            raise ValueError(f"scope={scope}: expected head or all")
        self.weight_decay = weight_decay
        self.scope = scope

    def penalty(self, network: keras.Model, head: keras.layers.Layer) -> tf.Tensor:
        """The penalty, a float32 scalar.

        Args:
            network: its kernels count if the scope is "all", including those of nested models.
            head: its kernels always count.

        Raises:
            GlrError: the scope is "head", and the head has no kernel.
        """
        weights = [*head.trainable_weights, *(network.trainable_weights if self.scope == "all" else ())]
        # Keras calls these weights kernel, depthwise_kernel and pointwise_kernel.
        kernels = [weight for weight in weights if weight.name.endswith("kernel")]
        if not kernels:
            raise GlrError(
                "regularization.scope=head: this head has no weights to penalise; give regularization.scope=all or "
                "regularization=none"
            )
        # l2_loss is half the sum of squares, without a squared copy.
        return tf.add_n([2 * self.weight_decay * tf.nn.l2_loss(tf.cast(kernel, tf.float32)) for kernel in kernels])
