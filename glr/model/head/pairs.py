"""The template of heads that compare the images of a batch with one another, and have no weights."""

import math

import numpy as np
import tensorflow as tf

from glr.devices.precision import product
from glr.model.head.base import Head, unit
from glr.model.head.replicas import first, gathered, global_mean, shared

_NONE = -1e30  # the logarithm of a sum of nothing: finite, so that its gradient is 0 and not NaN


class PairHead(Head):
    """A loss over the cosines between all images of the global batch; a head implements `loss_of`.

    On several replicas each replica compares its own images, the anchors, with those of all replicas. Arguments and
    errors are those of `Head`.
    """

    has_weights = False

    def call(self, descriptors: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Head`. True if the nearest other image of the global batch is of the same class; False for a tie."""
        own = unit(descriptors)
        cosines = product(own, tf.transpose(shared(own)))
        everyone = gathered(labels)
        itself = first(labels) + tf.range(labels.shape[0])[:, tf.newaxis] == tf.range(everyone.shape[0])
        same = labels[:, tf.newaxis] == everyone
        positive, negative = same & tf.logical_not(itself), tf.logical_not(same)
        near, far = (tf.reduce_max(tf.where(mask, cosines, -math.inf), axis=1) for mask in (positive, negative))
        return self.loss_of(cosines, positive, negative), near > far

    def loss_of(self, cosines: tf.Tensor, positive: tf.Tensor, negative: tf.Tensor) -> tf.Tensor:
        """Hook: losses float32 [b], whose mean over the global batch is the loss.

        Args:
            cosines: float32 [b, B] between this replica's images and the global batch's.
            positive: bool [b, B], true at other images of the same class.
            negative: bool [b, B], true at images of other classes.
        """
        raise NotImplementedError

    def simplex_loss(self, labels: np.ndarray) -> float:
        """See `Head`; the simplex has a vertex for each class of the batch."""
        own = labels[:, np.newaxis] == np.unique(labels)
        return float(tf.reduce_mean(self(own - own.mean(axis=1, keepdims=True), labels)[0]))

    def guess_loss(self, labels: np.ndarray) -> float:
        """See `Head`."""
        return float(tf.reduce_mean(self(np.eye(len(labels)), labels)[0]))


def log_sum(values: tf.Tensor, mask: tf.Tensor, axis: int = 1) -> tf.Tensor:
    """The logarithm of the sum of exp(values) where `mask` is true; where it is nowhere true, a large negative number.

    log(1 + the sum) is `tf.nn.softplus` of it, and 0 where the mask is nowhere true.
    """
    return tf.reduce_logsumexp(tf.where(mask, values, _NONE), axis=axis)


def among_positive(losses: tf.Tensor) -> tf.Tensor:
    """Scale losses [b] of at least 0: their mean over the global batch becomes the mean of those above 0, or 0."""
    share = global_mean(tf.reduce_mean(tf.cast(losses > 0, tf.float32)))
    return tf.math.divide_no_nan(losses, share)
