"""Patterns fill the cells of a face; the colours of a landmark differ enough to be told apart."""

import numpy as np
import pytest

from glr.demo.canvas import OUTLINES
from glr.demo.ornament import COVERS, Layer, Style


def extents(layer: Layer, width: float, height: float) -> np.ndarray:
    return np.array([(shape.min(0), shape.max(0)) for shape in layer.on(width, height)])


@pytest.mark.parametrize(
    ("layer", "count"),
    [
        (Layer("trim", cell=(0.2, 0.1)), 2 * 3),
        (Layer("trim", cell=(0.2, 0.1), step=2), 3),
        (Layer("trim", cell=(0.01, 0.01)), 8 * 8),
        (Layer("trim", cell=(0, 0.1)), 3),
        (Layer("trim", cell=(0.9, 0.1)), 0),  # less than half a cell is as wide as the face
    ],
)
def test_as_many_outlines_as_cells_fit(layer: Layer, count: int):
    outlines = layer.on(0.4, 0.3)
    assert len(outlines) == count
    assert all(shape.min() >= 0 and shape.max() <= 1 for shape in outlines)


def test_an_outline_takes_its_share_of_a_cell():
    ((low, high),) = extents(Layer("trim", share=(0.5, 0.6), cell=(1.0, 1.0), rise=1.0), 1.0, 1.0)
    np.testing.assert_allclose([low, high], [(0.25, 0.4), (0.75, 1.0)])
    ((low, high),) = extents(Layer("trim", share=(0.5, 0.5), cell=(0, 0)), 2.0, 1.0)
    np.testing.assert_allclose((high - low) * (2.0, 1.0), (0.5, 0.5))  # a square on a face twice as wide as high


def test_the_colours_of_a_landmark_differ_by_a_third():
    for seed in range(40):
        style = Style(np.random.default_rng(seed)).colours
        for one, other in (
            ("wall", "trim"),
            ("wall", "roof"),
            ("wall", "accent"),
            ("roof", "accent"),
            ("wall", "glass"),
        ):
            assert np.abs(style[one] - style[other]).max() >= 0.33


@pytest.mark.parametrize("name", [*COVERS, "accent"])
def test_a_cover_begins_with_its_plain_colour(name: str):
    style = Style(np.random.default_rng(3))
    for cover in style.covers(name):
        first, *marks = cover(0.5, 0.5)
        np.testing.assert_array_equal(first.outline, OUTLINES["square"])
        assert any(np.array_equal(first.colour, colour) for colour in style.colours.values())
        assert all(mark.outline.min() >= 0 and mark.outline.max() <= 1 for mark in marks)
