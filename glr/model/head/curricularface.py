"""ArcFace with a weight on hard wrong classes that grows during training."""

import tensorflow as tf

from glr.model.head.arcface import ArcFace, penalised, widened
from glr.model.head.replicas import global_mean


class CurricularFace(ArcFace):
    """ArcFace; wrong classes with cos > cos(theta_own + m) count as cos (t + cos) (Huang et al., arXiv:2004.00288).

    The weight t starts at 0 and follows the global batch's mean own cosine: t = momentum t + (1 - momentum) mean,
    updated before use, as in the authors' code.

    Args:
        num_classes: C.
        margin: m, radians.
        scale: s; None for sqrt(2) ln(C - 1).
        momentum: share of t that each step keeps.

    Raises:
        ValueError: a momentum outside 0..1, or an argument that `ArcFace` refuses.
    """

    def __init__(self, *, num_classes: int, margin: float, scale: float | None, momentum: float):
        super().__init__(num_classes=num_classes, margin=margin, scale=scale)
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum={momentum}: expected 0 to 1")
        self.momentum = momentum

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights for descriptors of `input_shape` [B, D]."""
        super().build(input_shape)
        self.t = self.add_weight(
            name="t", shape=(), initializer="zeros", trainable=False, aggregation="only_first_replica"
        )

    def with_margin(self, cosines: tf.Tensor, own: tf.Tensor, is_own: tf.Tensor) -> tf.Tensor:
        """Return the cosines with the margin on the own class and the curriculum's weight on hard wrong classes."""
        mean = global_mean(tf.reduce_mean(tf.stop_gradient(own)))
        t = self.momentum * tf.convert_to_tensor(self.t) + (1 - self.momentum) * mean
        self.t.assign(t)
        hard = cosines > widened(own, self.margin)[:, tf.newaxis]
        wrong = tf.where(hard, cosines * (t + cosines), cosines)
        return tf.where(is_own, penalised(own, self.margin)[:, tf.newaxis], wrong)
