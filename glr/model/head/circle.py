"""Circle loss over pairs."""

import math

import tensorflow as tf

from glr.model.head.pairs import PairHead, among_positive, log_sum


class Circle(PairHead):
    """log(1 + sum_n exp(g a_n (cos_n - m)) sum_p exp(-g a_p (cos_p - 1 + m))), with weights a that have no gradient.

    a_p = max(0, 1 + m - cos_p), a_n = max(0, cos_n + m) (Sun et al., CVPR 2020, arXiv:2002.10857, eq. 6 with one
    margin m for all four constants, over each anchor's pairs). The loss is the mean over the anchors whose own loss is
    above 0; an anchor without a positive or a negative has none.

    Args:
        num_classes: C.
        margin: m, a cosine.
        gamma: g.

    Raises:
        ValueError: a margin outside 0..1, or gamma not above 0.
    """

    def __init__(self, *, num_classes: int, margin: float, gamma: float):
        super().__init__(num_classes=num_classes)
        if not 0 <= margin <= 1:
            raise ValueError(f"margin={margin}: expected 0 to 1")
        if not 0 < gamma < math.inf:
            raise ValueError(f"gamma={gamma}: expected a number above 0")
        self.margin = margin
        self.gamma = gamma

    def loss_of(self, cosines: tf.Tensor, positive: tf.Tensor, negative: tf.Tensor) -> tf.Tensor:
        """See `PairHead`."""
        constant = tf.stop_gradient(cosines)
        near = -self.gamma * tf.nn.relu(1 + self.margin - constant) * (cosines - 1 + self.margin)
        far = self.gamma * tf.nn.relu(constant + self.margin) * (cosines - self.margin)
        return among_positive(tf.nn.softplus(log_sum(near, positive) + log_sum(far, negative)))
