"""A landmark is the same building in each of its photos, whatever the light; photos are drawn from their seed alone."""

import numpy as np
import pytest

from glr.demo.buildings import KINDS
from glr.demo.ornament import Style
from glr.demo.scene import Landmark, photograph
from glr.demo.site import Site
from glr.demo.solid import Mesh, loft


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


@pytest.mark.parametrize("kind", KINDS)
def test_every_plan_builds_solid_bodies_on_the_ground(kind: str):
    """Every face of a convex body looks away from its middle; a landmark is one high or wide, and stands on z = 0."""
    for seed in range(8):
        mesh = Mesh(Site(KINDS[kind], np.random.default_rng(seed)).bodies)
        low, high = mesh.points.min(0), mesh.points.max(0)
        assert low[2] == pytest.approx(0)
        assert max(high[0] - low[0], high[2]) == pytest.approx(1)
        middles = ((mesh.low + mesh.high) / 2)[mesh.body]
        assert (((mesh.first - middles) * mesh.normals).sum(1) > -1e-9).all()


def test_a_body_in_front_hides_the_one_behind():
    """Three boxes beside, behind and on top of each other, seen from both ends: the nearer one is drawn later."""
    cover = Style(np.random.default_rng(0)).covers("wall")
    square = np.array([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], float)
    for step in np.array([(3, 0, 0), (0, 3, 0), (0, 0, 3)], float):
        lows = [square + i * step for i in (1, 0, 2)]
        mesh = Mesh([loft(low, low + (0, 0, 2), cover, np.zeros(3)) for low in lows])
        for eye, nearest_last in ((9 * step, [1, 0, 2]), (-9 * step, [2, 0, 1])):
            drawn = mesh.body[mesh.visible(eye)]
            assert list(dict.fromkeys(drawn.tolist())) == nearest_last
