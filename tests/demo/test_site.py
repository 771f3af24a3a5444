"""Parts stand on, in and around what carries them, and every plan builds solid bodies."""

import numpy as np
import pytest

from glr.demo.buildings import KINDS, Part
from glr.demo.site import Site
from glr.demo.solid import Mesh


def boxes(*plan: Part) -> np.ndarray:
    """The bounds [bodies, 2, 3] of what a plan builds."""
    bodies = Site(plan, np.random.default_rng(0)).bodies
    corners = [np.concatenate([face.outline for face in body]) for body in bodies]
    return np.array([(points.min(0), points.max(0)) for points in corners])


def test_a_part_stands_on_the_one_before():
    base, top = boxes(Part("block", 1, 2), Part("block", 0.5, 0.3))
    np.testing.assert_allclose(base, [(-0.5, -0.5, 0), (0.5, 0.5, 2)], atol=1e-12)
    np.testing.assert_allclose(top, [(-0.25, -0.25, 2), (0.25, 0.25, 2.3)], atol=1e-12)


@pytest.mark.parametrize(("beside", "middle", "foot"), [(False, 0.4, 2), (True, 0.6, 0)])
def test_corners_stand_within_the_edges_or_around_them_on_the_ground(beside: bool, middle: float, foot: float):
    _, *corners = boxes(Part("block", 1, 2), Part("block", 0.2, 1, at="corners", beside=beside))
    middles = {(round(x, 9), round(y, 9)) for x, y, _ in np.mean(corners, axis=1)}
    assert middles == {(x, y) for x in (-middle, middle) for y in (-middle, middle)}
    assert {low[2] for low, _ in corners} == {foot}


def test_repetitions_shrink_and_share_the_height():
    low, high = boxes(Part("block", 1, 2, repeat=2, shrink=0.5))
    np.testing.assert_allclose([low[1], high[1]], [(0.5, 0.5, 1), (0.25, 0.25, 2)], atol=1e-12)


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
