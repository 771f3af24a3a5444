"""Heads with a margin added to the angle of the own class."""

import math

import tensorflow as tf

from glr.model.head.cosine import CosineHead


class ArcFace(CosineHead):
    """Logits s cos(theta + m) for the own class, s cos(theta) for the others (Deng et al., arXiv:1801.07698).

    Args:
        num_classes: C.
        margin: m, radians.
        scale: s; None for sqrt(2) ln(C - 1).

    Raises:
        ValueError: a margin outside 0..pi/2, or an argument that `CosineHead` refuses.
    """

    def __init__(self, *, num_classes: int, margin: float, scale: float | None):
        super().__init__(num_classes=num_classes, scale=scale)
        if not 0 <= margin <= math.pi / 2:
            raise ValueError(f"margin={margin}: expected 0 to pi/2 (radians)")
        self.margin = margin

    def with_margin(self, cosines: tf.Tensor, own: tf.Tensor, is_own: tf.Tensor) -> tf.Tensor:
        """Return the cosines with the margin on the own class."""
        return tf.where(is_own, penalised(own, self.margin)[:, tf.newaxis], cosines)


class SubCenterArcFace(ArcFace):
    """ArcFace with K centres per class; only the nearest counts (Deng et al., ECCV 2020, "Sub-center ArcFace").

    Args:
        num_classes: C.
        margin: m, radians.
        scale: s; None for sqrt(2) ln(C - 1).
        centers: K.

    Raises:
        ValueError: fewer than one centre, or an argument that `ArcFace` refuses.
    """

    def __init__(self, *, num_classes: int, margin: float, scale: float | None, centers: int):
        super().__init__(num_classes=num_classes, margin=margin, scale=scale)
        if centers < 1:
            raise ValueError(f"centers={centers}: expected at least 1")
        self.centers = centers
        # Column k * C + c is class c's k-th centre: with classes last, a TPU need not pad an axis of length K to 128.
        self.columns = centers * num_classes

    def cosines(self, descriptors: tf.Tensor) -> tf.Tensor:
        """Cosines float32 [B, C] to each class's nearest centre."""
        every = super().cosines(descriptors)
        return tf.reduce_max(tf.reshape(every, [-1, self.centers, self.num_classes]), axis=1)


def widened(cosines: tf.Tensor, margin: float) -> tf.Tensor:
    """cos(theta + margin) from cos(theta), with finite gradients also at -1 and 1."""
    # Below 1e-12 the squared sine is rounding error, and the gradient of its root would be infinite.
    sines = tf.sqrt(tf.maximum((1 - cosines) * (1 + cosines), 1e-12))
    return cosines * math.cos(margin) - sines * math.sin(margin)


def penalised(own: tf.Tensor, margin: float) -> tf.Tensor:
    """cos(theta + margin); where theta + margin passes pi, cos(theta) - margin sin(margin), which keeps falling."""
    return tf.where(own > math.cos(math.pi - margin), widened(own, margin), own - margin * math.sin(margin))
