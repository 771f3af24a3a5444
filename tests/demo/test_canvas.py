"""Outlines, gradients and colours, pixel by pixel."""

import numpy as np

from glr.demo.canvas import OUTLINES, Canvas, colours, outline

ORANGE = np.array([1.0, 0.5, 0.0])


def test_colours_are_read_from_hexadecimal():
    np.testing.assert_allclose(colours("ff8000 0033ff"), [(1, 128 / 255, 0), (0, 0.2, 1)])


def test_an_outline_is_put_into_a_box():
    np.testing.assert_allclose(outline("square", 2, 3, 4, 5), [(2, 3), (6, 3), (6, 8), (2, 8)])
    for shape in OUTLINES:
        points = outline(shape, 2, 3, 4, 5)
        assert points.min() >= 2
        assert (points.max(0) <= (6, 8)).all()


def test_later_copies_lie_over_earlier_ones():
    canvas = Canvas(10, 12)
    canvas.copies("square", np.array([(2, 3, 4, 5), (4, 3, 6, 1)]), np.array([ORANGE, (0, 0, 1)]))
    expected = np.zeros((10, 12, 3), int)
    expected[3:9, 2:7] = 255, 128, 0
    expected[3:5, 4:11] = 0, 0, 255
    np.testing.assert_array_equal(canvas.pixels, expected)


def test_the_order_of_facets_is_the_one_given():
    square = outline("square", 0, 0, 5, 5)
    for order, colour in (([0, 1], (0, 0, 255)), ([1, 0], (255, 128, 0))):
        canvas = Canvas(6, 6)
        points, ends = np.concatenate([square, square]), np.array([4, 8])
        canvas.facets(points, ends, np.array([ORANGE, (0, 0, 1)]), np.array(order))
        assert (canvas.pixels == colour).all()


def test_places_far_outside_do_not_overflow():
    canvas = Canvas(8, 8)
    canvas.copies("square", np.array([(-1e9, 4, 2e9, 1e9)]), ORANGE)
    assert not canvas.pixels[:4].any()
    assert (canvas.pixels[4:] == (255, 128, 0)).all()


def test_a_gradient_blends_from_row_to_row():
    canvas = Canvas(10, 3)
    canvas.gradient(2, 7, np.zeros(3), ORANGE)
    expected = np.zeros((10, 3))
    expected[2:7] = np.arange(5)[:, None] / 5 * ORANGE
    np.testing.assert_array_equal(canvas.pixels[:, 1], np.rint(255 * expected))
    canvas.gradient(-5, 50, ORANGE, ORANGE)  # beyond the picture
    assert (canvas.pixels == (255, 128, 0)).all()
