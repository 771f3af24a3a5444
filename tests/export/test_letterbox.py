"""The function that model cards show sees images as training does."""

import numpy as np
import pytest

from glr.data import geometry
from glr.export.letterbox import letterbox
from tests.export.test_model import SIZES


@pytest.mark.parametrize(("height", "width", "size"), SIZES)
def test_it_letterboxes_as_training_does(height: int, width: int, size: int):
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    expected = np.empty((size, size, 3), np.uint8)
    geometry.letterbox(image, expected)
    fitted = letterbox(image, size)
    assert fitted.dtype == np.uint8
    difference = np.abs(fitted.astype(int) - expected)
    assert difference.max() <= 1  # where the exact value lies between two numbers
    assert (difference > 0).mean() < 1e-4


def test_means_of_two_pixels_are_rounded_alike():
    columns = np.random.default_rng(0).integers(0, 256, (96, 1, 3), np.uint8)
    image = np.repeat(columns, 77, axis=1)
    expected = np.empty((64, 64, 3), np.uint8)
    geometry.letterbox(image, expected)
    np.testing.assert_array_equal(letterbox(image, 64), expected)
