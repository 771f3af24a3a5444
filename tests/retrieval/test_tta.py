"""Views of an image are described and added up."""

import numpy as np
import pytest
import tensorflow as tf

from glr.retrieval.tta import Views


class Columns:
    """Describes an image of any size by the mean of each quarter of its width and by its contrast."""

    @staticmethod
    def describe(images: tf.Tensor) -> tf.Tensor:
        pixels = tf.cast(images, tf.float32)
        quarters = [tf.reduce_mean(part, [1, 2, 3]) for part in tf.split(pixels, 4, axis=2)]
        contrast = tf.math.reduce_std(pixels, [1, 2, 3])
        return tf.math.l2_normalize(tf.stack([*quarters, contrast], axis=1), axis=1)


def images(size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, size, size, 3), np.uint8)


def test_one_view_is_the_model_itself():
    views = Views(scales=[1.0], flip=False)
    model = views.of(Columns, 16)
    assert not views.any_size
    assert model.image_size == 16
    np.testing.assert_allclose(model.describe(images(16)), Columns.describe(images(16)), atol=1e-6)


def test_the_mirror_image():
    model = Views(scales=[1.0], flip=True).of(Columns, 16)
    total = Columns.describe(images(16)).numpy() + Columns.describe(images(16)[:, :, ::-1]).numpy()
    expected = total / np.linalg.norm(total, axis=1, keepdims=True)
    np.testing.assert_allclose(model.describe(images(16)), expected, atol=1e-6)
    np.testing.assert_allclose(model.describe(images(16)), model.describe(images(16)[:, :, ::-1]), atol=1e-6)


def test_scales_are_made_from_the_largest():
    views = Views(scales=[0.5, 1.0, 1.5], flip=False)
    model = views.of(Columns, 16)
    assert views.any_size
    assert model.image_size == 24
    pixels = images(24)
    total = np.zeros((3, 5))
    for size in (8, 16, 24):
        resized = tf.image.resize(tf.cast(pixels, tf.float32), (size, size), antialias=True) if size < 24 else pixels
        total += Columns.describe(resized).numpy()
    np.testing.assert_allclose(model.describe(pixels), total / np.linalg.norm(total, axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize("scales", [[], [1.0, 0.0], [-1.0]])
def test_scales_that_are_none(scales: list[float]):
    with pytest.raises(ValueError, match="scales="):
        Views(scales=scales, flip=False)
