"""Bodies: which faces a point of view shows, and in which order."""

import numpy as np

from glr.demo.canvas import OUTLINES
from glr.demo.ornament import Style
from glr.demo.solid import Mark, Mesh, loft


def test_a_box_has_six_faces_of_which_a_corner_sees_three():
    square = np.array([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], float)
    grey = np.full(3, 0.5)
    box = loft(square, square + (0, 0, 2), [lambda width, height: [Mark(OUTLINES["square"], grey)]], grey)  # noqa: ARG005
    mesh = Mesh([box])
    assert {tuple(normal) for normal in mesh.normals.round(9) + 0.0} == {
        (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1),
    }  # fmt: skip
    eye = np.array([9.0, -9.0, 9.0])
    seen = {tuple(normal) for normal in mesh.normals[mesh.visible(eye)].round(9) + 0.0}
    assert seen == {(1, 0, 0), (0, -1, 0), (0, 0, 1)}


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
