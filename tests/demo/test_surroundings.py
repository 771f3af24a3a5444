"""Surroundings fill the whole picture; things are as high as asked, and smaller towards the horizon."""

import numpy as np
import pytest

from glr.demo.canvas import Canvas
from glr.demo.surroundings import elsewhere, landscape, scatter
from glr.demo.things import Group
from glr.demo.weather import Light

UNTOUCHED = 1, 2, 3


def empty(seed: int) -> tuple[Canvas, Light, np.random.Generator]:
    canvas, rng = Canvas(200, 150), np.random.default_rng(seed)
    canvas.pixels[:] = UNTOUCHED
    return canvas, Light(rng), rng


@pytest.mark.parametrize("seed", range(6))
def test_no_pixel_is_left(seed: int):
    canvas, light, rng = empty(seed)
    landscape(canvas, light, 90.0, bool(seed % 2), rng)
    assert not (canvas.pixels == UNTOUCHED).all(2).any()
    canvas, light, rng = empty(seed)
    elsewhere(canvas, light, rng)
    assert not (canvas.pixels == UNTOUCHED).all(2).any()


@pytest.mark.parametrize(("foot", "row", "share"), [(1.0, 200, 1.0), (0.5, 150, 0.575), (0.0, 100, 0.15)])
def test_a_thing_stands_on_its_row_and_shrinks_towards_the_horizon(foot: float, row: int, share: float):
    canvas, light, rng = empty(0)
    scatter(canvas, light, 100.0, Group("person", (1, 1), (0.3, 0.3), (foot, foot)), rng)
    drawn = np.flatnonzero((canvas.pixels != UNTOUCHED).any((1, 2)))
    assert drawn[-1] == pytest.approx(min(row, 199), abs=1)
    assert np.ptp(drawn) == pytest.approx(1.02 * 0.3 * 200 * share, abs=2)  # a head reaches a little above


def test_as_many_things_as_asked():
    canvas, light, rng = empty(0)
    scatter(canvas, light, 100.0, Group("ball", (0, 0), (0.1, 0.2)), rng)
    assert (canvas.pixels == UNTOUCHED).all()
