"""A building site: turns a plan into bodies."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import cycle, pairwise
from typing import Any

import numpy as np

from glr.demo.beams import BEAMS
from glr.demo.buildings import CROWNS, PLACES, SHAPES, Part
from glr.demo.ornament import Style
from glr.demo.solid import Mark, loft

Vector = Sequence[float] | np.ndarray


class Site:
    """Builds a plan of `buildings.KINDS`; `rng` draws the style, and a value for each range and choice of the plan."""

    def __init__(self, plan: Sequence[object], rng: np.random.Generator):
        self.bodies: list[list[Mark]] = []  # the faces and marks of each body
        self._rng = rng
        self._style = Style(rng)
        self._crown = self._draw(CROWNS)
        self._sides = self._draw([4, 4, 8, 12])
        z, size = 0.0, np.ones(2)
        for choice in plan:
            if (part := self._draw(choice)) is not None:
                z, size = self._set(part, z, size)

    def _draw(self, value: Any) -> Any:
        """Draw a number from a range (low, high), one of a list's choices, or all fields of a part."""
        if isinstance(value, list):
            return self._draw(value[self._rng.integers(len(value))])
        if isinstance(value, tuple):
            return float(self._rng.uniform(*value))
        if isinstance(value, Part):
            return Part(**{field.name: self._draw(getattr(value, field.name)) for field in fields(Part)})
        return value

    def _set(self, part: Part, foot: float, under: np.ndarray) -> tuple[float, np.ndarray]:
        """Set a part on, or around, a top of width and depth `under`; return the next part's foot and its `under`."""
        wide = under[0] * part.width
        size = np.array([wide, wide if part.depth is None else under[1] * part.depth])
        z, top = 0.0 if part.beside else foot, size
        covers = cycle((part.cover or self._shape(part.shape)[0]).split())
        for place in PLACES[part.at]:
            x, y = np.array(place) * (under + size if part.beside else under - size) / 2
            if part.shape in BEAMS:
                self._frame(part, (x, y, z), size)
            elif part.shape == "arcade":
                self._arcade((x, y, z), (*size, part.height), part.repeat)
            else:
                top = self._revolve(part, (x, y, z), size, covers)
            if part.top:
                crown = Part(part.top, 1.05, part.rise, sides=part.sides)
                self._revolve(crown, (x, y, z + part.height), top * 1.05, cycle(self._shape(part.top)[0].split()))
        return (z + part.height, top) if part.at == "middle" else (foot, under)

    def _shape(self, name: str) -> tuple[str, tuple[tuple[float, ...], ...]]:
        """Return a shape's covers and its silhouette; both are empty for beams and arcades."""
        return SHAPES.get(self._crown if name == "crown" else name, ("", ()))

    def _revolve(self, part: Part, place: Vector, size: np.ndarray, covers: Iterator[str]) -> np.ndarray:
        """Set a part's silhouette in one place, and return the size [2] of its top."""
        x, y, z = place
        sides, height = part.sides or self._sides, part.height / part.repeat
        around = np.pi * (2 * np.arange(sides) / sides - 0.5 - 1 / sides)

        def ring(turn: float, radius: float, share: float, depth: float | None = None) -> np.ndarray:
            reach = size * (radius, radius if depth is None else depth) * (np.sqrt(0.5) if sides == 4 else 0.5)
            plan = np.stack([np.cos(around), np.sin(around)], 1) * reach
            spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
            return np.column_stack([plan @ spin + (x, y), np.full(sides, z + share * height)])

        silhouette, top = self._shape(part.shape)[1], size
        for i in range(part.repeat):
            for low, high in pairwise(silhouette):
                if high[1] > low[1]:
                    self._add(ring(i * part.turn, *low), ring(i * part.turn, *high), next(covers))
            z, top = z + height, size * max(silhouette[-1][0], 0.2)
            size = top * part.shrink
        return top

    def _frame(self, part: Part, place: Vector, size: np.ndarray) -> None:
        """Set a frame of beams in one place."""
        for beam in BEAMS[part.shape](part.repeat, part.turn):
            a, b = (np.array(end) * (*size, part.height) + place for end in (beam.start, beam.end))
            along = (b - a) / np.linalg.norm(b - a)
            first = np.cross(along, (0, 1, 0) if abs(along[1]) < 0.9 else (1, 0, 0))
            first = first / np.linalg.norm(first)
            second = np.cross(along, first)
            section = [(first * p + second * q) for p, q in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
            corners = np.array(section) * beam.thick * size[0] / 2
            self._add(a + corners, b + corners, beam.colour, beam.colour)

    def _arcade(self, place: Vector, size: Vector, openings: int) -> None:
        """Set a wall with open arches: upright pieces, each from the ground or an arch to the wall's top."""
        (x, y, z), (width, depth, height) = place, size
        pitch = width / openings
        reach, crest = pitch * self._draw((0.35, 0.8)) / 2, height * self._draw((0.65, 0.9))
        turn = np.linspace(np.pi, 0, 7)
        spring = max(0.1 * height, crest - reach)
        arch = np.stack([reach * np.cos(turn), spring + (crest - spring) * np.sin(turn)], 1)
        left = x - width / 2
        pieces = []
        for i in range(openings):
            middle = left + (i + 0.5) * pitch
            pieces += [((a + middle, low), (b + middle, high), "wall") for (a, low), (b, high) in pairwise(arch)]
        for i in range(openings + 1):
            ends = np.clip(left + i * pitch + np.array([-1, 1]) * (pitch / 2 - reach), left, left + width)
            pieces.append(((ends[0], 0), (ends[1], 0), "stone"))
        for (a, low), (b, high), cover in pieces:
            plan = np.array([(a, y - depth / 2), (b, y - depth / 2), (b, y + depth / 2), (a, y + depth / 2)])
            under = np.column_stack([plan, z + np.array([low, high, high, low])])
            self._add(under, np.column_stack([plan, np.full(4, z + height)]), cover)

    def _add(self, low: np.ndarray, high: np.ndarray, cover: str, ends: str = "trim") -> None:
        self.bodies.append(loft(low, high, self._style.covers(cover), self._style.colours[ends]))
