"""The pictures of a run: drawn from the data and the settings that it uses."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from glr.data.augment import Study, Unchanged
from glr.data.pictures import StoredPictures, batches
from glr.data.prepared import PreparedData
from glr.train.plots import plot_augmentation, plot_schedule

OFF = {"flip": 0.0, "brightness": 0.0, "hue": 0.0, "rotation": 0.0, "shear": 0.0, "zoom": 0.0, "shift": 0.0}


def sheet(data: PreparedData, augment: object, file: Path, normalization: str = "minus_one_one") -> np.ndarray:
    """Return the drawn images, [image, column, S, S, 3]."""
    plot_augmentation(data, augment, image_size=40, normalization=normalization, seed=1, file=file)
    drawn = np.asarray(PIL.Image.open(file), int)
    assert drawn.shape == (8 * 44, 8 * 40, 3)
    return drawn.reshape(8, 44, 8, 40, 3)[:, :40].swapaxes(1, 2)


def test_the_first_column_is_the_images_as_they_are(small_data: PreparedData, tmp_path: Path):
    _, stored = next(batches(StoredPictures(small_data, "train"), image_size=40, batch_size=8, parallelism=1))
    drawn = sheet(small_data, Unchanged(), tmp_path / "a.png")
    np.testing.assert_array_equal(drawn[:, 0], stored)
    assert np.abs(drawn - drawn[:, :1]).mean() < 2  # nothing is changed


@pytest.mark.parametrize(("normalization", "unit"), [("zero_one", 255), ("minus_one_one", 127.5), ("imagenet", 57.63)])
def test_brightness_is_drawn_as_the_network_sees_it(
    small_data: PreparedData, tmp_path: Path, normalization: str, unit: float
):
    drawn = sheet(small_data, Study(**(OFF | {"brightness": 0.2})), tmp_path / "a.png", normalization)
    inside = drawn[:, :, 10:30]  # not the black bands
    middle = (inside > 60) & (inside < 195)
    both = middle[:, 1:] & middle[:, :1]
    brighter = np.where(both, inside[:, 1:] - inside[:, :1], 0).sum((2, 3, 4)) / both.sum((2, 3, 4))
    assert np.abs(brighter).max() <= 0.2 * unit + 2
    assert brighter.max() > 0.15 * unit
    assert brighter.min() < -0.15 * unit


def test_the_schedule_is_drawn(tmp_path: Path):
    plot_schedule(lambda step: 0.1 * step, 5, 4, tmp_path / "a.png")
    assert np.asarray(PIL.Image.open(tmp_path / "a.png")).std() > 5
