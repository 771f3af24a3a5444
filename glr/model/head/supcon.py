"""Supervised contrastive loss."""

import math

import tensorflow as tf

from glr.model.head.pairs import PairHead, among_positive, log_sum


class SupCon(PairHead):
    """Mean of -log softmax(cos / T) over an anchor's positives (Khosla et al., NeurIPS 2020, arXiv:2004.11362, eq. 2).

    The softmax is over all other images of the batch. The loss is the mean over the anchors whose own loss is above 0;
    an anchor without a positive has none.

    Args:
        num_classes: C.
        temperature: T.

    Raises:
        ValueError: a temperature not above 0.
    """

    def __init__(self, *, num_classes: int, temperature: float):
        super().__init__(num_classes=num_classes)
        if not 0 < temperature < math.inf:
            raise ValueError(f"temperature={temperature}: expected a number above 0")
        self.temperature = temperature

    def loss_of(self, cosines: tf.Tensor, positive: tf.Tensor, negative: tf.Tensor) -> tf.Tensor:
        """See `PairHead`."""
        logits = cosines / self.temperature
        rest = log_sum(logits, positive | negative)
        losses = tf.reduce_sum(tf.where(positive, rest[:, tf.newaxis] - logits, 0.0), axis=1)
        return among_positive(tf.math.divide_no_nan(losses, tf.reduce_sum(tf.cast(positive, tf.float32), axis=1)))
