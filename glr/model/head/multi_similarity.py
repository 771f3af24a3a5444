"""Multi-similarity loss."""

import math

import tensorflow as tf

from glr.model.head.pairs import PairHead, log_sum


class MultiSimilarity(PairHead):
    """log(1 + sum_p exp(-a (cos - l))) / a + log(1 + sum_n exp(b (cos - l))) / b, the mean over all anchors.

    Wang et al., CVPR 2019, arXiv:1904.06627, over the pairs that the paper mines: negatives with
    cos_n > min cos_p - e, and positives with cos_p < max cos_n + e, both of the same anchor.

    Args:
        num_classes: C.
        alpha: a, weight of the positives.
        beta: b, weight of the negatives.
        base: l, a cosine.
        epsilon: e, a cosine; None: all pairs count.

    Raises:
        ValueError: alpha or beta not above 0, base outside -1..1, or epsilon below 0.
    """

    def __init__(self, *, num_classes: int, alpha: float, beta: float, base: float, epsilon: float | None):
        super().__init__(num_classes=num_classes)
        for name, value in (("alpha", alpha), ("beta", beta)):
            if not 0 < value < math.inf:
                raise ValueError(f"{name}={value}: expected a number above 0")
        if not -1 <= base <= 1:
            raise ValueError(f"base={base}: expected -1 to 1")
        if epsilon is not None and not 0 <= epsilon < math.inf:
            raise ValueError(f"epsilon={epsilon}: expected at least 0, or null")
        self.alpha, self.beta, self.base, self.epsilon = alpha, beta, base, epsilon

    def loss_of(self, cosines: tf.Tensor, positive: tf.Tensor, negative: tf.Tensor) -> tf.Tensor:
        """See `PairHead`."""
        if self.epsilon is not None:
            farthest = tf.reduce_min(tf.where(positive, cosines, math.inf), axis=1, keepdims=True)
            nearest = tf.reduce_max(tf.where(negative, cosines, -math.inf), axis=1, keepdims=True)
            positive &= cosines - self.epsilon < nearest
            negative &= cosines + self.epsilon > farthest
        near = tf.nn.softplus(log_sum(-self.alpha * (cosines - self.base), positive)) / self.alpha
        return near + tf.nn.softplus(log_sum(self.beta * (cosines - self.base), negative)) / self.beta
