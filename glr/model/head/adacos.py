"""AdaCos with a scale that adapts during training (Zhang et al., CVPR 2019, arXiv:1905.00292); no margin.

AdaCos(Fixed), whose scale is constant, is `NormSoftmax` with `scale: null`.
"""

import math

import tensorflow as tf

from glr.model.head.cosine import CosineHead
from glr.model.head.replicas import gathered


class AdaCos(CosineHead):
    """Base class: the scale starts at the fixed value sqrt(2) ln(C - 1) and is computed again in each step.

    Args:
        num_classes: C.

    Raises:
        ValueError: fewer than 3 classes.
    """

    def __init__(self, *, num_classes: int):
        super().__init__(num_classes=num_classes, scale=None)


class AdaCosSemi(AdaCos):
    """s = ln(C - 1) / cos(min(pi/4, theta_med)), from this step's global batch, used in this step."""

    def scale_for(self, cosines: tf.Tensor, own: tf.Tensor, is_own: tf.Tensor) -> tf.Tensor:  # noqa: ARG002
        """Compute and store this step's scale."""
        scale = math.log(self.num_classes - 1) / cos_of_median(own)
        self.scale.assign(scale)
        return scale


class AdaCosDynamic(AdaCos):
    """s = ln(B_avg) / cos(min(pi/4, theta_med)); B_avg = batch mean of the wrong classes' sum of exp(s_prev cos).

    The paper assumes B_avg > 1, which many classes guarantee. With few classes B_avg can fall to 1 or below. Then s
    would be 0 or negative, and the gradient would vanish or change sign: such a step keeps the previous scale. As in
    the paper, s grows without limit while wrong cosines stay above cos(min(pi/4, theta_med)).
    """

    def scale_for(self, cosines: tf.Tensor, own: tf.Tensor, is_own: tf.Tensor) -> tf.Tensor:
        """Compute and store this step's scale."""
        previous = tf.convert_to_tensor(self.scale)
        # Use logarithms throughout: exp(s cos) overflows float32 where s cos > 88.
        log_sums = tf.reduce_logsumexp(tf.where(is_own, -math.inf, previous * cosines), axis=1)
        log_sums = gathered(log_sums)
        log_mean = tf.reduce_logsumexp(log_sums) - tf.math.log(tf.cast(tf.size(log_sums), tf.float32))
        scale = tf.where(log_mean > 0, log_mean / cos_of_median(own), previous)
        self.scale.assign(scale)
        return scale


def cos_of_median(own: tf.Tensor) -> tf.Tensor:
    """cos(min(pi/4, theta_med)): theta_med is the global batch's median of the angles whose cosines are `own` [B].

    The median of an even number of angles is the mean of the middle two.
    """
    # Rounding can leave cosines just outside -1..1, where acos is NaN.
    angles = tf.sort(gathered(tf.acos(tf.clip_by_value(own, -1.0, 1.0))))
    size = tf.size(angles)
    median = (angles[(size - 1) // 2] + angles[size // 2]) / 2
    return tf.cos(tf.minimum(math.pi / 4, median))
