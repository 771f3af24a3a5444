"""Proxy-anchor loss: each class's weight is the anchor of the batch's images."""

import numpy as np
import tensorflow as tf

from glr.model.head.cosine import CosineHead
from glr.model.head.pairs import log_sum
from glr.model.head.replicas import shared


class ProxyAnchor(CosineHead):
    """Kim et al., CVPR 2020, arXiv:2003.13911, eq. 4: two sums over the classes' weights, the proxies.

    The mean over the batch's classes of log(1 + sum over their images of exp(-s (cos - m))), plus the mean over all
    classes of log(1 + sum over the other classes' images of exp(s (cos + m))). Each image's loss is the loss of the
    whole batch.

    Args:
        num_classes: C.
        margin: m, a cosine.
        scale: s.

    Raises:
        ValueError: a margin outside 0..1, or an argument that `CosineHead` refuses.
    """

    def __init__(self, *, num_classes: int, margin: float, scale: float):
        super().__init__(num_classes=num_classes, scale=scale)
        if not 0 <= margin <= 1:
            raise ValueError(f"margin={margin}: expected 0 to 1")
        self.margin = margin

    def loss_of(self, cosines: tf.Tensor, labels: tf.Tensor, own: tf.Tensor, is_own: tf.Tensor) -> tf.Tensor:  # noqa: ARG002
        """See `CosineHead`."""
        scale = tf.convert_to_tensor(self.scale)
        near = log_sum(-scale * (cosines - self.margin), is_own, axis=0)
        far = log_sum(scale * (cosines + self.margin), tf.logical_not(is_own), axis=0)
        # A replica's sums [1, 2, C] over its own images, then those of all replicas: no replica needs all images.
        near, far = tf.unstack(tf.reduce_logsumexp(shared(tf.stack([near, far])[tf.newaxis]), axis=0))
        present = tf.reduce_sum(tf.cast(near > -1e29, tf.float32))
        loss = tf.reduce_sum(tf.nn.softplus(near)) / present + tf.reduce_mean(tf.nn.softplus(far))
        return tf.fill(tf.shape(labels), loss)

    def guess_loss(self, labels: np.ndarray) -> float:
        """See `Head`."""
        is_own = labels[:, np.newaxis] == np.arange(self.num_classes)
        zeros = tf.zeros(is_own.shape)
        return float(self.loss_of(zeros, tf.constant(labels), zeros[:, 0], tf.constant(is_own))[0])
