"""A canvas that fills outlines at subpixel positions."""

import cv2
import numpy as np

BITS = 4  # fractional bits of a coordinate
FAR = 4000.0  # pixels; coordinates are clipped to +- this, because OpenCV's fixed point overflows
_TURN = 2 * np.pi * np.arange(12) / 12
# Convex outlines [n, 2] in the unit square.
OUTLINES = {
    "square": np.array([(0, 0), (1, 0), (1, 1), (0, 1)]),
    "round": 0.5 + 0.5 * np.stack([np.cos(_TURN), np.sin(_TURN)], 1),
    "arch": np.array([(0, 0), (1, 0), (1, 0.7), (0.85, 0.9), (0.5, 1), (0.15, 0.9), (0, 0.7)]),
    "diamond": np.array([(0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5)]),
    "triangle": np.array([(0, 0), (1, 0), (0.5, 1)]),
    "slash": np.array([(0, 0), (0.2, 0), (1, 1), (0.8, 1)]),
    "hood": np.array([(0, 0), (1, 0), (0.75, 1), (0.2, 1)]),
}


def outline(shape: str, left: float, bottom: float, width: float, height: float) -> np.ndarray:
    """Put one of `OUTLINES` into a box."""
    return OUTLINES[shape] * (width, height) + (left, bottom)


def colours(hexadecimal: str) -> np.ndarray:
    """RGB [n, 3] from 0 to 1 of colours such as "ff8000 0080ff"."""
    return np.frombuffer(bytes.fromhex(hexadecimal), np.uint8).reshape(-1, 3) / 255


class Canvas:
    """A picture to draw on: uint8 RGB [H, W, 3]. Points are pixels (x, y), y down; colours RGB [3] from 0 to 1."""

    def __init__(self, height: int, width: int):
        self.pixels = np.zeros((height, width, 3), np.uint8)
        self.height = height
        self.width = width

    def facets(self, points: np.ndarray, ends: np.ndarray, colours: np.ndarray, order: np.ndarray) -> None:
        """Fill outlines in `order` [V] with colours [F, 3]; `ends` [F]: the end of each outline in `points` [P, 2]."""
        places, shades = _fixed(points), _bytes(colours[order]).tolist()
        starts = np.concatenate([[0], ends[:-1]])
        pixels, fill = self.pixels, cv2.fillConvexPoly
        for start, end, shade in zip(starts[order].tolist(), ends[order].tolist(), shades, strict=True):
            fill(pixels, places[start:end], shade, cv2.LINE_8, BITS)

    def copies(self, shape: str, boxes: np.ndarray, colours: np.ndarray) -> None:
        """Fill one of `OUTLINES` in boxes [K, 4] (left, top, width, height); colours [K, 3], or [3] for all."""
        points = OUTLINES[shape] * boxes[:, None, 2:] + boxes[:, None, :2]
        count, corners, _ = points.shape
        ends = corners * np.arange(1, count + 1)
        self.facets(points.reshape(-1, 2), ends, np.broadcast_to(colours, (count, 3)), np.arange(count))

    def gradient(self, top: float, bottom: float, above: np.ndarray, below: np.ndarray) -> None:
        """Fill the rows from `top` to `bottom` with a blend from one colour to another."""
        rows = np.arange(max(0, round(top)), min(self.height, round(bottom)))
        share = (rows - top)[:, None] / max(bottom - top, 1e-6)
        self.pixels[rows] = _bytes(above + (below - above) * share)[:, None]


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(points, -FAR, FAR) * (1 << BITS)).astype(np.int32)


def _bytes(colours: np.ndarray) -> np.ndarray:
    return np.rint(255 * np.clip(colours, 0, 1))
