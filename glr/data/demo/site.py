"""A building site: the parts that landmarks are made of, set one by one in the style of one landmark."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from glr.data.demo.ornament import Style
from glr.data.demo.solid import Cover, Face, loft

# Silhouettes of what crowns a tower: (radius, height) from foot to tip, as shares of the tower's and of the crown's.
CROWNS = {
    "dome": [(1, 0), (0.95, 0.35), (0.75, 0.68), (0.42, 0.9), (0, 1)],
    "onion": [(0.75, 0), (1.15, 0.2), (1.1, 0.38), (0.5, 0.62), (0.15, 0.8), (0, 1)],
    "spire": [(1, 0), (0, 1)],
    "flared": [(1.3, 0), (0.7, 0.25), (0.25, 0.65), (0, 1)],
    "bell": [(1, 0), (0.9, 0.3), (0.4, 0.5), (0.3, 0.7), (0, 1)],
    "stump": [(1.2, 0), (0.6, 1)],
    "lantern": [(1, 0), (0.5, 0.3), (0.45, 0.6), (0.7, 0.6), (0, 1)],
}


class Site:
    """What stands there so far, and the choices that all its parts share. x runs right, y away, z up."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.style = Style.draw(rng)
        self.bodies: list[list[Face]] = []
        self.crown_kind = self.pick(*CROWNS)
        self.ribbed = self.pick(False, False, True)
        self.sides = self.pick(4, 4, 8, 12)  # of its towers
        self.emblem = self.pick("round", "round", "diamond", "cross", "none")

    def pick(self, *choices):
        """One of the choices."""
        return choices[self.rng.integers(len(choices))]

    def between(self, low: float, high: float) -> float:
        """A number between two."""
        return float(self.rng.uniform(low, high))

    def plain(self, *names: str) -> list[Cover]:
        """Plain covers in these of the style's colours."""
        return [self.style.solid(getattr(self.style, name)) for name in names]

    def front(self, door: float = 0.3) -> list[Cover]:
        """Walls all around, with a door and the emblem on the front one."""
        return [self.style.front(self.emblem, door), *[self.style.walls] * 3]

    def block(
        self,
        place: tuple[float, float, float],
        size: tuple[float, float, float],
        covers: Sequence[Cover] | None = None,
        *,
        sides: int = 4,
        taper: float = 1.0,
        turn: float = 0.0,
        lean: float = 0.0,
        top: str = "trim",
    ) -> float:
        """Set an upright body, and return the height where it ends.

        Args:
            place: x, y of its middle, z of its foot.
            size: width, depth and height.
            covers: of the sides in turn, the front one first; the style's walls if None.
            sides: 4, or how many a round one has.
            taper: its top's size as a share of its foot's.
            turn: radians about the vertical.
            lean: how far its top stands to the right of its foot.
            top: the colour of its ends.
        """
        (x, y, z), (width, depth, height) = place, size
        angles = np.pi * (2 * np.arange(sides) / sides - 0.5 - 1 / sides)
        ring = np.stack([np.cos(angles), np.sin(angles)], 1) * (np.sqrt(0.5) if sides == 4 else 0.5)
        cos, sin = np.cos(turn), np.sin(turn)
        ring = (ring * (width, depth)) @ np.array([[cos, sin], [-sin, cos]])
        low = np.column_stack([ring + (x, y), np.full(sides, z)])
        high = np.column_stack([ring * taper + (x + lean, y), np.full(sides, z + height)])
        self.bodies.append(loft(low, high, covers or [self.style.walls], self.plain(top)[0]))
        return z + height

    def crown(
        self,
        place: tuple[float, float, float],
        width: float,
        height: float,
        *,
        kind: str | None = None,
        sides: int | None = None,
        covers: Sequence[Cover] | None = None,
    ) -> float:
        """Set a roof of revolution (of `CROWNS`; else of the site's own kind), and return the height of its tip."""
        x, y, z = place
        sides = sides or self.sides
        covers = covers or (self.plain("roof", "accent") if self.ribbed else [self.style.roofing])
        profile = CROWNS[kind or self.crown_kind]
        for (radius, low), (after, high) in pairwise(profile):
            if high > low:
                across = width * radius
                size = (across, across, (high - low) * height)
                self.block((x, y, z + low * height), size, covers, sides=sides, taper=after / radius, top="roof")
        return z + height

    def gable(self, place: tuple[float, float, float], size: tuple[float, float, float], *, along: str = "y") -> None:
        """Set a saddle roof with its ridge along x or y."""
        (x, y, z), (width, depth, height) = place, size
        across, length = (width, depth) if along == "y" else (depth, width)
        triangle = np.array([(-across / 2, 0.0), (across / 2, 0.0), (0.0, height)])

        def end(at: float) -> np.ndarray:
            flat = [(a, at, up) if along == "y" else (at, a, up) for a, up in triangle]
            return np.array(flat) + (x, y, z)

        self.bodies.append(loft(end(-length / 2), end(length / 2), [self.style.roofing], self.plain("wall")[0]))

    def tower(self, x: float, y: float, width: float, height: float, crown: float, *, z: float = 0.0) -> float:
        """Set a tower with a crown of its own height, and return the height of the tip."""
        z = self.block((x, y, z), (width, width, height), sides=self.sides)
        return self.crown((x, y, z), width * 1.05, crown)

    def arcade(
        self,
        place: tuple[float, float, float],
        size: tuple[float, float, float],
        openings: int,
        share: float,
        rise: float,
    ) -> float:
        """Set a wall with arches to look through, and return the height where it ends.

        Args:
            place: x, y of its middle, z of its foot.
            size: width, depth and height.
            openings: how many arches.
            share: of the width that is open.
            rise: how high the openings reach, as a share of the height.
        """
        (x, y, z), (width, depth, height) = place, size
        pitch, left = width / openings, x - width / 2
        pier = pitch * (1 - share)
        opening = pitch - pier
        spring = max(0.1 * height, rise * height - opening / 2)
        for i in range(openings + 1):
            ends = max(left, left + i * pitch - pier / 2), min(left + width, left + i * pitch + pier / 2)
            self.block(((ends[0] + ends[1]) / 2, y, z), (ends[1] - ends[0], depth, height), [self.style.stone])
        turn = np.linspace(np.pi, 0, 7)
        for i in range(openings):
            across = left + (i + 0.5) * pitch + opening / 2 * np.cos(turn)
            under = z + spring + (rise * height - spring) * np.sin(turn)
            for a, b, low, low_after in zip(across, across[1:], under, under[1:], strict=False):
                ring = [(a, low), (b, low_after), (b, z + height), (a, z + height)]
                ends = [np.array([(px, y + side * depth / 2, pz) for px, pz in ring]) for side in (-1, 1)]
                self.bodies.append(
                    loft(ends[0], ends[1], self.plain("trim", "wall", "wall", "wall"), self.plain("wall")[0])
                )
        return z + height

    def strut(
        self, start: tuple[float, float, float], end: tuple[float, float, float], width: float, colour: str
    ) -> None:
        """Set a beam of square section between two points."""
        a, b = np.array(start), np.array(end)
        along = (b - a) / np.linalg.norm(b - a)
        first = np.cross(along, (0.0, 1.0, 0.0) if abs(along[1]) < 0.9 else (1.0, 0.0, 0.0))
        first /= np.linalg.norm(first)
        second = np.cross(along, first)
        corners = [(first * p + second * q) * width / 2 for p, q in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        self.bodies.append(loft(a + corners, b + corners, self.plain(colour), None))
