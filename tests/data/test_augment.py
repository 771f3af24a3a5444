"""The study's augmentation: its distributions are the configured ones, and its colour maths is that of hue."""

import colorsys

import numpy as np
import pytest

from glr.data.augment import Study, Unchanged
from glr.data.randomness import uniforms

OFF = {"flip": 0.0, "brightness": 0.0, "hue": 0.0, "rotation": 0.0, "shear": 0.0, "zoom": 0.0, "shift": 0.0}


def draws(count: int = 20_000, **strengths: float):
    study = Study(**(OFF | strengths))
    return study.changes(uniforms(0, 0, 0, count, study.draws))


def test_off_changes_nothing():
    for geometry, colour in (draws(3), Unchanged().changes(np.empty((3, 0)))):
        np.testing.assert_allclose(geometry, np.tile(np.eye(3), (3, 1, 1)), atol=1e-12)
        np.testing.assert_allclose(colour, np.tile(np.eye(3, 4), (3, 1, 1)), atol=1e-6)
        assert colour.dtype == np.float32


def test_an_image_changes_alike_in_whatever_batch_it_is():
    study = Study(flip=0.5, brightness=0.2, hue=0.2, rotation=15.0, shear=5.0, zoom=0.1, shift=0.03)
    numbers = uniforms(0, 0, 0, 50, study.draws)
    whole, part = study.changes(numbers), study.changes(numbers[20:30])
    np.testing.assert_array_equal(whole.geometry[20:30], part.geometry)
    np.testing.assert_array_equal(whole.colour[20:30], part.colour)


def test_everything_together_is_the_product_of_its_parts():
    strengths = {"flip": 0.5, "rotation": 15.0, "shear": 5.0, "zoom": 0.1, "shift": 0.03}
    together, _ = draws(20, **strengths)
    parts = {name: draws(20, **{name: value})[0] for name, value in strengths.items()}
    moved = parts["zoom"] @ parts["shift"]
    np.testing.assert_allclose(together, parts["flip"] @ parts["rotation"] @ parts["shear"] @ moved, atol=1e-12)


def test_flip_happens_as_often_as_asked():
    geometry, _ = draws(flip=0.3)
    assert set(geometry[:, 0, 0]) == {-1.0, 1.0}
    assert (geometry[:, 0, 0] < 0).mean() == pytest.approx(0.3, abs=0.01)


def test_rotation_in_degrees():
    geometry, _ = draws(rotation=15.0)
    angles = np.degrees(np.arctan2(geometry[:, 0, 1], geometry[:, 0, 0]))
    assert angles.mean() == pytest.approx(0, abs=0.4)
    assert angles.std() == pytest.approx(15, rel=0.03)
    np.testing.assert_allclose(np.linalg.det(geometry), 1)


def test_shear_in_degrees():
    geometry, _ = draws(shear=5.0)
    angles = np.degrees(np.arctan2(geometry[:, 1, 0], geometry[:, 0, 0]))
    assert angles.mean() == pytest.approx(0, abs=0.15)
    assert angles.std() == pytest.approx(5, rel=0.03)
    np.testing.assert_allclose(geometry[:, 1, 1], 1)


def test_zoom_of_each_axis_apart():
    geometry, _ = draws(zoom=0.1)
    for axis in (0, 1):
        factor = 1 / geometry[:, axis, axis]
        assert factor.mean() == pytest.approx(1, abs=0.005)
        assert factor.std() == pytest.approx(0.1, rel=0.03)
    assert abs(np.corrcoef(geometry[:, 0, 0], geometry[:, 1, 1])[0, 1]) < 0.03


def test_shift_as_a_share_of_the_frame():
    geometry, _ = draws(shift=0.05)
    assert geometry[:, :2, 2].mean(0) == pytest.approx([0, 0], abs=0.002)
    assert geometry[:, :2, 2].std(0) == pytest.approx([0.05, 0.05], rel=0.03)


def test_brightness_is_uniform_and_the_same_for_all_channels():
    _, colour = draws(brightness=0.2)
    offset = colour[:, :, 3]
    assert (offset == offset[:, :1]).all()
    assert offset.min() == pytest.approx(-0.2, abs=0.001)
    assert offset.max() == pytest.approx(0.2, abs=0.001)
    assert offset[:, 0].std() == pytest.approx(0.4 / np.sqrt(12), rel=0.03)


def test_hue_keeps_greys_and_luma_and_turns_colours():
    _, colour = draws(100, hue=0.2)
    matrices = colour[:, :, :3]
    np.testing.assert_allclose(matrices @ np.ones(3), np.ones((100, 3)), atol=1e-5)
    np.testing.assert_allclose([0.299, 0.587, 0.114] @ matrices, np.tile([0.299, 0.587, 0.114], (100, 1)), atol=1e-5)
    # A muted orange turned by the drawn angle has, in HSV, a hue turned by about as much.
    orange = np.array([0.55, 0.5, 0.42])
    turned = np.array([colorsys.rgb_to_hsv(*(m @ orange))[0] for m in matrices]) - colorsys.rgb_to_hsv(*orange)[0]
    turned = (turned + 0.5) % 1 - 0.5
    assert np.abs(turned).max() <= 0.26
    assert turned.max() > 0.12
    assert turned.min() < -0.12


@pytest.mark.parametrize(("name", "value"), [("flip", 1.1), ("hue", 0.6), ("rotation", -1.0), ("zoom", 0.5)])
def test_out_of_range_is_refused(name: str, value: float):
    with pytest.raises(ValueError, match=f"{name}={value}: expected 0 to"):
        Study(**(OFF | {name: value}))
