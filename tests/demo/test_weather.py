"""Light: haze, sun and lamps by their formulas; what falls; the camera."""

import numpy as np
import pytest

from glr.demo.canvas import Canvas
from glr.demo.weather import CLIMATES, LAMP, Light, develop, fall


def lights(count: int = 60) -> list[Light]:
    return [Light(np.random.default_rng(seed)) for seed in range(count)]


def test_every_climate_comes_in_its_turn():
    drawn = lights(400)
    assert {light.falls for light in drawn} == {climate.falls for climate in CLIMATES}
    assert {light.lamps for light in drawn} == {climate.lamps for climate in CLIMATES}
    for light in drawn:
        assert np.linalg.norm(light.direction) == pytest.approx(1)
        assert light.direction[2] > 0  # the sun, or the moon, is above the horizon


def test_haze_grows_with_distance_to_the_colour_of_the_sky():
    colour = np.array([0.2, 0.9, 0.4])
    for light in lights():
        np.testing.assert_allclose(light.hazed(colour, 0.0), colour)
        np.testing.assert_allclose(light.hazed(colour, 1.0), (1 - light.fog) * colour + light.fog * light.sky_low)
        twice = light.hazed(light.hazed(colour, 1.0), 1.0)
        np.testing.assert_allclose(light.hazed(colour, 2.0), twice)


def test_a_face_towards_the_sun_is_brighter_and_a_window_shines_at_night():
    for light in lights():
        grey = np.full((2, 3), 0.5)
        side = np.cross(light.direction, (0, 0, 1))  # as upright as its opposite
        towards = light.direction - light.direction[2] * np.array([0, 0, 1])
        normals = np.array([towards, -towards]) / np.linalg.norm(side)
        day = light.on_faces(grey, normals, np.zeros(2, bool))
        assert (day[0] >= day[1]).all()
        lit = light.on_faces(0 * grey, normals, np.ones(2, bool))
        np.testing.assert_allclose(lit, np.tile(light.hazed(light.lamps * LAMP, 1.0), (2, 1)))


def test_only_rain_and_snow_are_drawn():
    for light in lights():
        canvas = Canvas(100, 100)
        fall(canvas, light, np.random.default_rng(0))
        assert canvas.pixels.any() == bool(light.falls)


def test_a_photo_is_developed_from_its_seed_alone():
    picture = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    first, again, other = (develop(picture, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first.dtype, first.shape) == (np.uint8, (30, 40, 3))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert np.corrcoef(first.ravel(), picture.ravel())[0, 1] > 0.9  # it is the same picture
