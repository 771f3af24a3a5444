"""A model, or an ensemble of models, as a SavedModel that takes plain images and runs without glr."""

import math
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from glr.data.geometry import ROUNDING
from glr.model.network import RetrievalModel
from glr.model.saved_model import INPUT, OUTPUT, SIGNATURE


class ExportedModel(tf.Module):
    """Letterboxes images as training does, describes them with every member, and concatenates the descriptors.

    Signatures: `serving_default` takes `input_image` uint8 [H, W, 3], `batched` takes `input_images` uint8
    [B, H, W, 3]; both return `global_descriptor`, float32 [D] or [B, D], descriptors of length 1.

    Args:
        members: each has its own image size and normalisation.
        weights: weight of each member's cosine in the cosine of two joint descriptors.
    """

    def __init__(self, members: Sequence[RetrievalModel], weights: Sequence[float]):
        super().__init__(name="exported")
        # Plain variables, so that loading the model needs no Keras. Only training needs the head, so it is left out.
        self.weights = [weight.value for member in members for weight in member.network.weights]

        def describe(images: tf.Tensor) -> tf.Tensor:
            described = [
                share * member.describe(letterboxed(images, member.image_size))
                for member, share in zip(members, shares(weights), strict=True)
            ]
            return tf.concat(described, axis=1)

        self.single = tf.function(
            lambda input_image: {OUTPUT: describe(input_image[tf.newaxis])[0]},
            input_signature=[tf.TensorSpec([None, None, 3], tf.uint8, INPUT)],
        )
        self.batched = tf.function(
            lambda input_images: {OUTPUT: describe(input_images)},
            input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, f"{INPUT}s")],
        )

    def write(self, folder: Path) -> None:
        """Write a SavedModel with both signatures."""
        tf.saved_model.save(self, str(folder), signatures={SIGNATURE: self.single, "batched": self.batched})


def shares(weights: Sequence[float]) -> list[float]:
    """The factors of the members' descriptors that give a joint descriptor of length 1 and cosines of these weights."""
    return [math.sqrt(weight / sum(weights)) for weight in weights]


def letterboxed(images: tf.Tensor, size: int) -> tf.Tensor:
    """Fit uint8 images [B, H, W, 3] into squares [B, size, size, 3] as `glr.data.geometry.letterbox` does."""
    height, width = (tf.shape(images, tf.int64)[axis] for axis in (1, 2))
    longest = tf.maximum(height, width)
    high, wide = (tf.cast(tf.maximum(side * size // longest, 1), tf.int32) for side in (height, width))
    top, left = (tf.cast((longest - side) * size // (2 * longest), tf.int32) for side in (height, width))
    resized = tf.cast(images, tf.float32)
    for axis, target in ((2, wide), (1, high)):
        resized = _resized(resized, axis, target)
    resized = tf.cast(resized + ROUNDING, tf.uint8)
    bands = [[0, 0], [top, size - high - top], [left, size - wide - left], [0, 0]]
    return tf.ensure_shape(tf.pad(resized, bands), [None, size, size, 3])


def _resized(images: tf.Tensor, axis: int, target: tf.Tensor) -> tf.Tensor:
    """Resize bilinearly along one axis of [B, H, W, 3], with positions in double precision, as in OpenCV.

    `tf.image.resize` uses single precision, which would change one pixel in a thousand by one level.
    """
    size = tf.shape(images)[axis]
    scale = tf.cast(size, tf.float64) / tf.cast(target, tf.float64)
    places = (tf.range(tf.cast(target, tf.float64), dtype=tf.float64) + 0.5) * scale - 0.5
    firsts = tf.floor(places)
    inside = (firsts >= 0) & (firsts < tf.cast(size - 1, tf.float64))
    shares = tf.cast(tf.where(inside, places - firsts, 0.0), tf.float32)
    firsts = tf.clip_by_value(tf.cast(firsts, tf.int32), 0, size - 1)
    shares = tf.reshape(shares, [-1, 1] if axis == 2 else [-1, 1, 1])
    before, after = (tf.gather(images, tf.minimum(firsts + more, size - 1), axis=axis) for more in (0, 1))
    return before * (1 - shares) + after * shares
