"""An exported model sees images as training does."""

import numpy as np
import pytest
import tensorflow as tf

from glr.data.geometry import letterbox
from glr.export.model import letterboxed

SIZES = [(30, 40, 24), (600, 800, 441), (768, 1024, 441), (37, 101, 64), (101, 37, 64), (20, 20, 441), (441, 441, 441)]
SIZES += [
    (96, 77, 64),
    (1, 50, 32),
    (1000, 3, 64),
    (333, 500, 224),
    (97, 97, 96),
    (1, 1, 16),
    (5, 3000, 100),
    (58, 58, 224),
    (333, 1024, 224),
]


@pytest.mark.parametrize(("height", "width", "size"), SIZES)
def test_it_letterboxes_as_training_does(height: int, width: int, size: int):
    images = np.random.default_rng(height).integers(0, 256, (2, height, width, 3), np.uint8)
    actual = letterboxed(tf.constant(images), size).numpy()
    expected = np.empty((size, size, 3), np.uint8)
    for image, frame in zip(images, actual, strict=True):
        letterbox(image, expected)
        difference = np.abs(frame.astype(int) - expected)
        assert difference.max() <= 1  # where the exact value lies between two numbers
        assert (difference > 0).mean() < 1e-4


def test_flat_images_too():
    """The means of equal and of odd neighbours lie half-way between numbers: there every rounding error would show."""
    columns = np.random.default_rng(0).integers(0, 256, (1, 96, 1, 3), np.uint8)
    image = np.repeat(columns, 77, axis=2)
    expected = np.empty((64, 64, 3), np.uint8)
    letterbox(image[0], expected)
    np.testing.assert_array_equal(letterboxed(tf.constant(image), 64).numpy()[0], expected)
