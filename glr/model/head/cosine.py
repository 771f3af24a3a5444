"""The template of heads with class weights: cosines to the weights, a margin, a scale, softmax cross-entropy."""

import math

import keras
import numpy as np
import tensorflow as tf

from glr.devices.precision import product
from glr.model.head.base import LEAST, Head, unit


class CosineHead(Head):
    """Softmax cross-entropy over scaled cosines; a head overrides `with_margin`, `scale_for` or both.

    Weights: `kernel` [D, C], and `scale`, the scale s of the latest step (a scalar without a gradient), so that s is
    logged and saved.

    Args:
        num_classes: C.
        scale: s, the factor of the cosines; None for sqrt(2) ln(C - 1), the fixed scale of AdaCos
            (Zhang et al., arXiv:1905.00292, section 4.1).

    Raises:
        ValueError: fewer than 2 classes (3 if the scale is computed from their number), or a scale not above 0.
    """

    def __init__(self, *, num_classes: int, scale: float | None):
        super().__init__(num_classes=num_classes)
        if scale is None and num_classes < 3:  # ln(2 - 1) = 0: every logit would be 0
            raise ValueError(f"num_classes={num_classes}: expected at least 3")
        if scale is not None and not 0 < scale < math.inf:
            raise ValueError(f"scale={scale}: expected a number above 0, or null")
        self.first_scale = math.sqrt(2) * math.log(num_classes - 1) if scale is None else scale
        self.columns = num_classes  # columns of the kernel

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights for descriptors of `input_shape` [B, D]."""
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[-1], self.columns), initializer="glorot_uniform", dtype="float32"
        )
        self.scale = self.add_weight(
            name="scale",
            shape=(),
            initializer=keras.initializers.Constant(self.first_scale),
            dtype="float32",
            trainable=False,
            aggregation="only_first_replica",  # computed from the global batch, so equal on all replicas
        )

    def call(self, descriptors: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Head`. True if the plain cosine, without margin, is larger for the own class than for any other."""
        cosines = self.cosines(descriptors)
        # This mask reads and replaces the own classes' cosines. XLA fuses the comparison into adjacent operations,
        # forward and backward, whereas a scatter (also the gradient of a gather) needs [B, C] buffers of its own.
        # Without XLA, the mask costs a byte per logit.
        is_own = labels[:, tf.newaxis] == tf.range(self.num_classes)
        own = tf.reduce_sum(tf.where(is_own, cosines, 0.0), axis=1)
        # Not by tf.argmax, which takes a tenth of a step on a GPU.
        correct = own > tf.reduce_max(tf.where(is_own, -math.inf, cosines), axis=1)
        return self.loss_of(cosines, labels, own, is_own), correct

    def loss_of(self, cosines: tf.Tensor, labels: tf.Tensor, own: tf.Tensor, is_own: tf.Tensor) -> tf.Tensor:
        """Losses float32 [B], whose mean over the global batch is the loss.

        Args:
            cosines: float32 [B, C].
            labels: int32 [B].
            own: float32 [B], each image's cosine to its own class.
            is_own: bool [B, C], true at the own class.
        """
        scale = tf.stop_gradient(self.scale_for(cosines, own, is_own))
        logits = scale * self.with_margin(cosines, own, is_own)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)

    def simplex_loss(self, labels: np.ndarray) -> float:
        """See `Head`; each class's weight equals its images' descriptor."""
        own = labels[:, np.newaxis] == np.arange(self.num_classes)
        given = tf.where(own, 1.0, -1.0 / (self.num_classes - 1)), tf.constant(labels), tf.ones(len(labels)), own
        losses = [self.loss_of(*given) for _ in range(11)]  # a scale that adapts depends on the previous scale
        return float(tf.reduce_mean(losses[-1]))

    def guess_loss(self, labels: np.ndarray) -> float:  # noqa: ARG002
        """See `Head`; here without margin: ln C."""
        return math.log(self.num_classes)

    def cosines(self, descriptors: tf.Tensor) -> tf.Tensor:
        """Cosines float32 [B, C] between descriptors [B, D] and the classes' weights."""
        # Divide the product, not W, by |W_c|: a normalised copy of W [D, C] would be kept for the gradient.
        squares = tf.reduce_sum(tf.square(self.kernel), axis=0)
        return product(unit(descriptors), self.kernel) * tf.math.rsqrt(tf.maximum(squares, LEAST))

    def scale_for(self, cosines: tf.Tensor, own: tf.Tensor, is_own: tf.Tensor) -> tf.Tensor:  # noqa: ARG002
        """Hook: this step's scale, a positive float32 scalar; no gradient goes through it.

        Args:
            cosines: float32 [B, C].
            own: float32 [B], each example's cosine to its own class.
            is_own: bool [B, C], true at the own class.
        """
        return tf.convert_to_tensor(self.scale)

    def with_margin(self, cosines: tf.Tensor, own: tf.Tensor, is_own: tf.Tensor) -> tf.Tensor:  # noqa: ARG002
        """Hook: the logits [B, C] before scaling; has the arguments of `scale_for`."""
        return cosines
