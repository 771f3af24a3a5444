"""Augmentation: for each image a change of geometry, applied where it is decoded, and one of colour, on the device."""

import math
from typing import NamedTuple

import numpy as np

_IDENTITY = np.eye(3)
# NTSC's luma and chroma: turning the chroma plane changes the hue and leaves greys alone.
_YIQ = np.array([[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
_YIQ_TO_RGB = np.linalg.inv(_YIQ)


class Change(NamedTuple):
    """What happens to one image.

    geometry: [3, 3] affine matrix from a place in the result to the place in the frame that it shows; places are
        (x, y, 1), from the frame's centre in units of its side.
    colour: [3, 4] matrix M and offset b: the normalised pixel p becomes M p + b.
    """

    geometry: np.ndarray
    colour: np.ndarray


class Unchanged:
    """No augmentation."""

    def draw(self, random: np.random.Generator) -> Change:  # noqa: ARG002
        """The change that changes nothing."""
        return Change(_IDENTITY, np.eye(3, 4))


class Study:
    """The published study's augmentation: flip, affine geometry around the centre, hue and brightness.

    Args:
        flip: probability of a left-right flip.
        brightness: added to every channel, uniform in +- this, in units of the normalised image.
        hue: share of a full turn, uniform in +- this (at most 0.5). As a rotation in YIQ, one matrix per image.
        rotation: degrees, standard deviation around 0.
        shear: degrees, standard deviation around 0.
        zoom: of height and of width apart, standard deviation around 1.
        shift: of height and of width apart, share of the frame, standard deviation around 0.

    Raises:
        ValueError: a probability or strength out of range.
    """

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

    def draw(self, random: np.random.Generator) -> Change:
        """Draw one image's change."""
        turn, slant = np.radians(random.normal(0, [self.rotation, self.shear]))
        # A zoom of 0 or less would turn the picture inside out; at 0.1 this is ten standard deviations away.
        wide, high = np.maximum(random.normal(1, self.zoom, 2), 0.05)
        right, down = random.normal(0, self.shift, 2)
        mirror = -1.0 if random.random() < self.flip else 1.0
        rotate = np.array([[math.cos(turn), math.sin(turn), 0], [-math.sin(turn), math.cos(turn), 0], [0, 0, 1]])
        shear = np.array([[math.cos(slant), 0, 0], [math.sin(slant), 1, 0], [0, 0, 1]])
        zoom_and_shift = np.array([[1 / wide, 0, right / wide], [0, 1 / high, down / high], [0, 0, 1]])
        geometry = np.diag([mirror, 1, 1]) @ rotate @ shear @ zoom_and_shift
        angle = random.uniform(-self.hue, self.hue) * 2 * math.pi
        cos, sin = math.cos(angle), math.sin(angle)
        hue = _YIQ_TO_RGB @ np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) @ _YIQ
        brightness = random.uniform(-self.brightness, self.brightness)
        return Change(geometry, np.column_stack([hue, np.full(3, brightness)]))
