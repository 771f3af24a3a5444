"""SoftTriple loss: several centres for each class."""

import tensorflow as tf

from glr.model.head.cosface import CosFace


class SoftTriple(CosFace):
    """CosFace over S_c, the mean of the cosines to class c's K centres with weights softmax(cos / g).

    Qian et al., ICCV 2019, arXiv:1909.05235, section 3, without its regularizer, which merges centres.

    Args:
        num_classes: C.
        margin: m, subtracted from S of the own class.
        scale: s; None for sqrt(2) ln(C - 1).
        centers: K.
        temperature: g, the paper's gamma.

    Raises:
        ValueError: fewer than one centre, a temperature not above 0, or an argument that `CosFace` refuses.
    """

    def __init__(self, *, num_classes: int, margin: float, scale: float | None, centers: int, temperature: float):
        super().__init__(num_classes=num_classes, margin=margin, scale=scale)
        if centers < 1:
            raise ValueError(f"centers={centers}: expected at least 1")
        if not temperature > 0:
            raise ValueError(f"temperature={temperature}: expected a number above 0")
        self.centers = centers
        self.temperature = temperature
        self.columns = centers * num_classes  # column k * C + c is class c's k-th centre, as in SubCenterArcFace

    def cosines(self, descriptors: tf.Tensor) -> tf.Tensor:
        """S, float32 [B, C]."""
        every = tf.reshape(super().cosines(descriptors), [-1, self.centers, self.num_classes])
        return tf.reduce_sum(tf.nn.softmax(every / self.temperature, axis=1) * every, axis=1)
