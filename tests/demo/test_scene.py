"""A landmark is the same building in each of its photos, whatever the light; photos are drawn from their seed alone."""

import numpy as np
import pytest

from glr.demo.scene import Landmark, photograph


def taken(landmark: int | None, photo: int, size: int = 64) -> np.ndarray:
    building = None if landmark is None else Landmark(np.random.default_rng([7, landmark]))
    return photograph(building, np.random.default_rng([7, landmark or 0, photo]), size)


@pytest.mark.parametrize("landmark", [0, 1, 2, 3, None])
def test_a_photo_is_drawn_from_its_seed_alone(landmark: int | None):
    first = taken(landmark, 0)
    assert first.dtype == np.uint8
    assert max(first.shape[:2]) == 64
    assert first.std() > 5  # something is to be seen
    np.testing.assert_array_equal(first, taken(landmark, 0))
    other = taken(landmark, 1)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_a_landmark_keeps_its_shape_and_differs_from_others():
    same, again, other = (Landmark(np.random.default_rng(seed)).mesh.points for seed in (1, 1, 2))
    np.testing.assert_array_equal(same, again)
    assert same.shape != other.shape or not np.allclose(same, other)


def test_light_and_frame_vary():
    brightness = [taken(3, photo).mean() for photo in range(12)]
    assert np.ptp(brightness) > 40
    assert len({taken(3, photo).shape for photo in range(12)}) >= 2
