"""The interface of every head."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

# Least squared norm, so that zero vectors and class weights that decayed to 0 have finite values and gradients.
LEAST = 1e-12


class Head(keras.layers.Layer):
    """The loss that trains a descriptor. Computes in float32 under every precision policy.

    Args:
        num_classes: C.

    Attributes:
        has_weights: False if the loss has no weights to train; glr reads it from the source, so write a constant.
        scale: the weight that holds the latest step's factor of the cosines, which a run logs; None: there is none.

    Raises:
        ValueError: fewer than 2 classes.
    """

    has_weights = True
    scale: Any = None

    def __init__(self, *, num_classes: int):
        super().__init__(dtype="float32")
        if num_classes < 2:
            raise ValueError(f"num_classes={num_classes}: expected at least 2")
        self.num_classes = num_classes

    def call(self, descriptors: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return each image's loss, and True if its nearest class, or its nearest other image, is of its own class.

        Args:
            descriptors: float [B, D], of any length; on several replicas, this replica's share of the batch.
            labels: int32 [B], 0 to C - 1.

        Returns:
            Losses float32 [B], whose mean over the global batch is the loss, and bool [B].
        """
        raise NotImplementedError

    def simplex_loss(self, labels: np.ndarray) -> float:
        """The loss of a batch with ideal descriptors: equal within a class, the vertices of a regular simplex across.

        Training on balanced classes approaches this state, if D >= C - 1 (Papyan et al., Prevalence of neural collapse,
        PNAS 2020). Like a step, it changes running state: call it on a head of its own.

        Args:
            labels: int [B], the classes of the batch's images.
        """
        raise NotImplementedError

    def guess_loss(self, labels: np.ndarray) -> float:
        """The loss of a batch whose cosines are all 0. Has the argument of `simplex_loss`."""
        raise NotImplementedError


def unit(descriptors: tf.Tensor) -> tf.Tensor:
    """Scale descriptors [B, D] to length 1, as float32."""
    return tf.math.l2_normalize(tf.cast(descriptors, tf.float32), axis=1, epsilon=LEAST)
