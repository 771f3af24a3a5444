"""Triplet loss with one triplet for each image, mined in the batch."""

import math
from typing import Literal

import numpy as np
import tensorflow as tf

from glr.model.head.base import LEAST
from glr.model.head.pairs import PairHead, among_positive


class Triplet(PairHead):
    """max(0, d(a, p) - d(a, n) + m), d the Euclidean distance of descriptors of length 1; the mean of those above 0.

    The positive p is the farthest image of the anchor's class. The negative n is the nearest image of another class
    (`hard`: "Batch Hard" of Hermans et al., arXiv:1703.07737), or the nearest that is farther away than p
    (`semihard`: Schroff et al., FaceNet, CVPR 2015, section 3.2, with the hardest positive only). An anchor that lacks
    one of them does not count.

    Args:
        num_classes: C.
        margin: m, a distance.
        negatives: hard or semihard.

    Raises:
        ValueError: a margin outside 0..2, or another word.
    """

    def __init__(self, *, num_classes: int, margin: float, negatives: Literal["hard", "semihard"]):
        super().__init__(num_classes=num_classes)
        if not 0 < margin <= 2:
            raise ValueError(f"margin={margin}: expected above 0, to 2")
        if negatives not in {"hard", "semihard"}:
            raise ValueError(f"negatives={negatives}: expected hard or semihard")
        self.margin = margin
        self.negatives = negatives

    def loss_of(self, cosines: tf.Tensor, positive: tf.Tensor, negative: tf.Tensor) -> tf.Tensor:
        """See `PairHead`."""
        # |a - b|^2 = 2 - 2 cos. At 0 the gradient of its root would be infinite.
        distances = tf.sqrt(tf.maximum(2 - 2 * cosines, LEAST))
        farthest = tf.reduce_max(tf.where(positive, distances, -math.inf), axis=1)
        if self.negatives == "semihard":
            negative &= distances > farthest[:, tf.newaxis]
        nearest = tf.reduce_min(tf.where(negative, distances, math.inf), axis=1)
        # Without a positive or a negative this is -inf, and its loss and gradient are 0.
        return among_positive(tf.nn.relu(farthest - nearest + self.margin))

    def guess_loss(self, labels: np.ndarray) -> float:
        """See `Head`; also of `semihard` the margin, although equal distances have no negative beyond the positive."""
        return PairHead.guess_loss(Triplet(num_classes=self.num_classes, margin=self.margin, negatives="hard"), labels)
