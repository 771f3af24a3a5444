"""A canvas: polygons, lines and discs on a picture, placed by fractions of a pixel."""

from collections.abc import Sequence

import cv2
import numpy as np

BITS = 4  # of a pixel's fraction
FAR = 4000.0  # pixels; what lies farther out is drawn there, since OpenCV's fixed point overflows


class Canvas:
    """A picture in the making: uint8 RGB [H, W, 3]. Places are pixels (x, y), colours RGB [3] from 0 to 1."""

    def __init__(self, height: int, width: int):
        self.pixels = np.zeros((height, width, 3), np.uint8)
        self.height = height
        self.width = width

    def polygon(self, points: np.ndarray, colour: np.ndarray) -> None:
        """Fill an outline [n, 2]."""
        cv2.fillPoly(self.pixels, [_fixed(points)], _bytes(colour), cv2.LINE_8, BITS)

    def facets(self, points: np.ndarray, ends: np.ndarray, colours: np.ndarray, order: np.ndarray) -> None:
        """Fill convex outlines, in this order.

        Args:
            points: [P, 2], the corners of all of them.
            ends: [F], where the corners of each end.
            colours: [F, 3].
            order: [V], which to fill.
        """
        places, shades = _fixed(points), np.rint(255 * np.clip(colours[order], 0, 1)).tolist()
        starts = np.concatenate([[0], ends[:-1]])
        pixels, fill = self.pixels, cv2.fillConvexPoly
        for start, end, shade in zip(starts[order].tolist(), ends[order].tolist(), shades, strict=True):
            fill(pixels, places[start:end], shade, cv2.LINE_8, BITS)

    def rectangle(self, left: float, top: float, right: float, bottom: float, colour: np.ndarray) -> None:
        """Fill an upright rectangle."""
        self.polygon(np.array([(left, top), (right, top), (right, bottom), (left, bottom)]), colour)

    def line(self, points: Sequence | np.ndarray, colour: np.ndarray, thickness: float) -> None:
        """Draw a line through points [n, 2]; thickness in pixels."""
        cv2.polylines(
            self.pixels, [_fixed(np.asarray(points))], False, _bytes(colour), max(1, round(thickness)), cv2.LINE_8, BITS
        )

    def disc(self, x: float, y: float, radius: float, colour: np.ndarray, flat: float = 1.0) -> None:
        """Fill an ellipse `radius` wide to either side and `flat` times that to top and bottom."""
        centre = tuple(_fixed(np.array([x, y])).tolist())
        axes = tuple(_fixed(np.maximum([radius, radius * flat], 0.3)).tolist())
        cv2.ellipse(self.pixels, centre, axes, 0, 0, 360, _bytes(colour), -1, cv2.LINE_8, BITS)

    def gradient(self, top: float, bottom: float, above: np.ndarray, below: np.ndarray) -> None:
        """Fill the rows from `top` to `bottom` with a blend from one colour to another."""
        first, last = max(0, round(top)), min(self.height, round(bottom))
        if last > first:
            share = ((np.arange(first, last) - top) / max(bottom - top, 1e-6))[:, None]
            blend = np.rint(255 * np.clip(above + (below - above) * share, 0, 1)).astype(np.uint8)
            self.pixels[first:last] = blend[:, None]


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(points, -FAR, FAR) * (1 << BITS)).astype(np.int32)


def _bytes(colour: np.ndarray) -> list[float]:
    return np.rint(255 * np.clip(colour, 0, 1)).tolist()
