"""Test-time augmentation: describe an image by the sum of the descriptors of scaled and mirrored views."""

from typing import Any

import tensorflow as tf


class Views:
    """The views of an image to describe; their normalised descriptors are added up, and the sum is normalised.

    Source: Radenović et al., Fine-tuning CNN image retrieval with no human annotation, TPAMI 2018, arXiv:1711.02512,
    section 3.5 (scales); the mirror image as in classification since Krizhevsky et al., NeurIPS 2012.

    Args:
        scales: factors of the image's side, e.g. [0.7071, 1.0, 1.4142].
        flip: describe the mirror image, too.

    Raises:
        ValueError: there is no scale, or a scale is not above 0.
    """

    def __init__(self, *, scales: list[float], flip: bool):
        if not scales or min(scales) <= 0:
            raise ValueError(f"scales={scales}: at least one is needed, and each above 0")
        self.scales = scales
        self.flip = flip

    @property
    def any_size(self) -> bool:
        """True if the model must take images of sizes other than its own."""
        return set(self.scales) != {1.0}

    def of(self, model: Any, image_size: int) -> "Views.Model":
        """Return a model that describes the views.

        Args:
            model: has `describe`, from images [B, s, s, 3] of any size s to float32 [B, D].
            image_size: S, pixels, at scale 1.
        """
        return Views.Model(self, model, image_size)

    class Model:
        """Takes images at the size of the largest scale; smaller views are resized from these, with antialiasing."""

        def __init__(self, views: "Views", model: Any, image_size: int):
            self._model = model
            self._flip = views.flip
            self._sizes = [round(image_size * scale) for scale in views.scales]
            self.image_size = max(self._sizes)

        def describe(self, images: tf.Tensor) -> tf.Tensor:
            """Descriptors of uint8 images [B, S, S, 3]: float32 [B, D], of length 1."""
            total = 0.0
            for size in self._sizes:
                view = images
                if size != self.image_size:
                    view = tf.image.resize(tf.cast(images, tf.float32), (size, size), antialias=True)
                total += self._model.describe(view)
                if self._flip:
                    total += self._model.describe(tf.reverse(view, [2]))
            return tf.math.l2_normalize(total, axis=1)
