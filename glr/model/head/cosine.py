"""The template of every head: cosines to the classes' weights, a margin, a scale, softmax cross-entropy."""

import math

import keras
import tensorflow as tf

from glr.devices.precision import product

# Least squared norm, so that zero vectors and class weights that decayed to 0 have finite values and gradients.
_LEAST = 1e-12


class CosineHead(keras.layers.Layer):
    """Softmax cross-entropy over scaled cosines; a head overrides `with_margin`, `scale_for` or both.

    Computes in float32 under every precision policy. Weights: `kernel` [D, C], and `scale`, the scale s of the latest
    step (a scalar without a gradient), so that s is logged and saved.

    Args:
        num_classes: C.
        scale: s, the factor of the cosines; None for sqrt(2) ln(C - 1), the fixed scale of AdaCos
            (Zhang et al., arXiv:1905.00292, section 4.1).

    Raises:
        ValueError: fewer than 2 classes (3 if the scale is computed from their number), or a scale not above 0.
    """

    def __init__(self, *, num_classes: int, scale: float | None):
        super().__init__(dtype="float32")
        fewest = 3 if scale is None else 2  # ln(2 - 1) = 0: every logit would be 0
        if num_classes < fewest:
            raise ValueError(f"num_classes={num_classes}: expected at least {fewest}")
        if scale is not None and not 0 < scale < math.inf:
            raise ValueError(f"scale={scale}: expected a number above 0, or null")
        self.num_classes = num_classes
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
        """Return each example's loss, and True if its own class is the nearest.

        Args:
            descriptors: float [B, D], of any length.
            labels: int32 [B], 0 to C - 1.

        Returns:
            Losses float32 [B], and bool [B], True if the plain cosine, without margin, is larger for the own class than
            for any other.
        """
        cosines = self.cosines(descriptors)
        # This mask reads and replaces the own classes' cosines. XLA fuses the comparison into adjacent operations,
        # forward and backward, whereas a scatter (also the gradient of a gather) needs [B, C] buffers of its own.
        # Without XLA, the mask costs a byte per logit.
        is_own = labels[:, tf.newaxis] == tf.range(self.num_classes)
        own = tf.reduce_sum(tf.where(is_own, cosines, 0.0), axis=1)
        scale = tf.stop_gradient(self.scale_for(cosines, own, is_own))
        logits = scale * self.with_margin(cosines, own, is_own)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        # Not by tf.argmax, which takes a tenth of a step on a GPU.
        return losses, own > tf.reduce_max(tf.where(is_own, -math.inf, cosines), axis=1)

    def simplex_loss(self) -> float:
        """The loss where each descriptor equals its class's weight, and all cosines between weights are -1 / (C - 1).

        Training on balanced classes approaches this state, the vertices of a regular simplex, if D >= C - 1 (Papyan et
        al., Prevalence of neural collapse, PNAS 2020). Like a step, it changes the scale: call it on a head of its own.
        """
        own = tf.range(self.num_classes)[tf.newaxis] == 0
        cosines = tf.where(own, 1.0, -1.0 / max(self.num_classes - 1, 1))
        scale = self.scale_for(cosines, tf.ones(1), own)
        for _ in range(10):  # a scale that adapts depends on the previous scale
            scale = self.scale_for(cosines, tf.ones(1), own)
        logits = scale * self.with_margin(cosines, tf.ones(1), own)
        return float(tf.nn.sparse_softmax_cross_entropy_with_logits([0], logits)[0])

    def cosines(self, descriptors: tf.Tensor) -> tf.Tensor:
        """Cosines float32 [B, C] between descriptors [B, D] and the classes' weights."""
        unit = tf.math.l2_normalize(tf.cast(descriptors, tf.float32), axis=1, epsilon=_LEAST)
        # Divide the product, not W, by |W_c|: a normalised copy of W [D, C] would be kept for the gradient.
        squares = tf.reduce_sum(tf.square(self.kernel), axis=0)
        return product(unit, self.kernel) * tf.math.rsqrt(tf.maximum(squares, _LEAST))

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
