"""Augmentation of train images: geometry changes while they are decoded, colour changes on the device."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# NTSC's luma and chroma: rotating the chroma plane changes the hue, but not greys.
_YIQ = np.array([[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
_YIQ_TO_RGB = np.linalg.inv(_YIQ)


class Changes(NamedTuple):
    """The changes to N images.

    geometry: float64 [N, 3, 3], affine matrices that map each point of the result to the point of the frame shown
        there; points are (x, y, 1), relative to the frame's centre, in units of its side.
    colour: float32 [N, 3, 4], matrix M and offset b: the pixel p (0 to 255) becomes M p + u b, then is normalised. The
        unit u is the normalisation's scale: 255 for zero_one, 127.5 for minus_one_one, 57.6 (the mean of the channels'
        scales) for imagenet.
    """

    geometry: np.ndarray
    colour: np.ndarray


class Unchanged:
    """No augmentation."""

    draws = 0

    def changes(self, uniforms: np.ndarray) -> Changes:
        """Return N identity changes, for uniforms [N, 0]."""
        count = len(uniforms)
        return Changes(np.tile(np.eye(3), (count, 1, 1)), np.tile(np.eye(3, 4, dtype=np.float32), (count, 1, 1)))


class Study:
    """The published study's augmentation: flip, affine geometry around the centre, hue and brightness.

    Args:
        flip: probability of a left-right flip.
        brightness: added to every channel, uniform in +- this, in units of the normalised image (see `Changes`).
        hue: share of a full turn, uniform in +- this (at most 0.5); a rotation in YIQ, one matrix per image.
        rotation: degrees, standard deviation around 0.
        shear: degrees, standard deviation around 0.
        zoom: factor, standard deviation around 1, drawn for height and width separately.
        shift: share of the frame, standard deviation around 0, drawn for height and width separately.

    Raises:
        ValueError: a probability or strength out of range.
    """

    draws = 9

    def __init__(
        self, *, flip: float, brightness: float, hue: float, rotation: float, shear: float, zoom: float, shift: float
    ):
        limits = {"flip": (flip, 1), "hue": (hue, 0.5), "zoom": (zoom, 0.3), "brightness": (brightness, math.inf)}
        limits |= {"rotation": (rotation, 180), "shear": (shear, 30), "shift": (shift, 1)}
        for name, (value, highest) in limits.items():
            if not 0 <= value <= highest:
                raise ValueError(f"{name}={value}: expected 0 to {highest}")
        self.flip = flip
        self.brightness = brightness
        self.hue = hue
        self.rotation = rotation
        self.shear = shear
        self.zoom = zoom
        self.shift = shift

    def changes(self, uniforms: np.ndarray) -> Changes:
        """Turn uniform numbers into the changes of N images.

        Args:
            uniforms: uniform in (0, 1), [N, draws].
        """
        normal, flip, hue, brightness = _normal(uniforms[:, :6]), uniforms[:, 6], uniforms[:, 7], uniforms[:, 8]
        turn, slant = np.radians(normal[:, 0] * self.rotation), np.radians(normal[:, 1] * self.shear)
        # A zoom of 0 or less would divide by zero or mirror the image; at 0.1 it is ten standard deviations away.
        wide, high = np.maximum(1 + normal[:, 2:4] * self.zoom, 0.05).T
        right, down = normal[:, 4:6].T * self.shift
        mirror = np.where(flip < self.flip, -1.0, 1.0)
        rotate = _affine([np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0])
        shear = _affine([np.cos(slant), 0, 0], [np.sin(slant), 1, 0])
        zoom_and_shift = _affine([1 / wide, 0, right / wide], [0, 1 / high, down / high])
        geometry = _affine([mirror, 0, 0], [0, 1, 0]) @ rotate @ shear @ zoom_and_shift
        angle = (2 * hue - 1) * self.hue * 2 * math.pi
        cos, sin = np.cos(angle), np.sin(angle)
        matrix = _YIQ_TO_RGB @ _affine([1, 0, 0], [0, cos, -sin], [0, sin, cos]) @ _YIQ
        offset = np.repeat(((2 * brightness - 1) * self.brightness)[:, None, None], 3, axis=1)
        return Changes(geometry, np.concatenate([matrix, offset], axis=2).astype(np.float32))


def _normal(uniforms: np.ndarray) -> np.ndarray:
    """Turn an even number of uniform numbers into the same number of standard normal ones: Box and Muller, 1958."""
    radius, angle = np.sqrt(-2 * np.log(uniforms[:, ::2])), 2 * math.pi * uniforms[:, 1::2]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _affine(*rows: Sequence[float | np.ndarray]) -> np.ndarray:
    """Matrices [N, 3, 3] from rows of numbers and arrays [N]; the last row is 0, 0, 1 if it is not given."""
    given = [*rows, [0, 0, 1]][:3]
    entries = np.broadcast_arrays(*(entry for row in given for entry in row))
    return np.stack(entries, axis=-1).reshape(*entries[0].shape, 3, 3)
