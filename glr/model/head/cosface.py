"""A head with a margin subtracted from the cosine of the own class."""

import tensorflow as tf

from glr.model.head.cosine import CosineHead


class CosFace(CosineHead):
    """Logits s (cos(theta) - m) for the own class, s cos(theta) for the others (Wang et al., arXiv:1801.09414).

    Args:
        num_classes: C.
        margin: m, in units of the cosine.
        scale: s; None for sqrt(2) ln(C - 1).

    Raises:
        ValueError: a margin outside 0..1, or an argument that `CosineHead` refuses.
    """

    def __init__(self, *, num_classes: int, margin: float, scale: float | None):
        super().__init__(num_classes=num_classes, scale=scale)
        if not 0 <= margin <= 1:
            raise ValueError(f"margin={margin}: expected 0 to 1")
        self.margin = margin

    def with_margin(self, cosines: tf.Tensor, own: tf.Tensor, is_own: tf.Tensor) -> tf.Tensor:  # noqa: ARG002
        """Return the cosines with the margin on the own class."""
        return tf.where(is_own, cosines - self.margin, cosines)
