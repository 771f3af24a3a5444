"""Solids: convex bodies with flat, ornamented faces, sorted for drawing from a point of view."""

from collections.abc import Callable, Sequence
from math import dist
from typing import NamedTuple

import numpy as np


class Mark(NamedTuple):
    """A convex outline, counterclockwise from outside: [n, 2] on a side (u right, v up, 0 to 1) or [n, 3] in space."""

    outline: np.ndarray
    colour: np.ndarray  # RGB [3], 0 to 1
    glow: bool = False  # a window: shines at night


Cover = Callable[[float, float], list[Mark]]
"""Returns the marks that cover a side of this width and height, bottom first; the first mark fills the side."""


def loft(low: np.ndarray, high: np.ndarray, sides: Sequence[Cover], ends: np.ndarray) -> list[Mark]:
    """Return the body between two rings of corners, as marks in space.

    Args:
        low: [n, 3], counterclockwise as seen from the other ring.
        high: [n, 3], the corner above each corner of `low`; for a tip, the same point n times.
        sides: covers of the sides, repeated in turn.
        ends: colour of the two ends.
    """
    faces = [Mark(low[::-1], ends), Mark(high, ends)]
    for i in range(len(low)):
        a, b, c, d = low[i - 1], low[i], high[i], high[i - 1]
        width, height = max(dist(a, b), dist(c, d)), dist(a + b, c + d) / 2
        if width * height > 1e-6:
            right, up, bend = b - a, d - a, a - b + c - d
            for outline, colour, glow in sides[(i - 1) % len(sides)](width, height):
                u, v = outline[:, :1], outline[:, 1:]
                faces.append(Mark(a + u * right + v * up + u * v * bend, colour, glow))
    return faces


class Mesh:
    """Bodies as arrays: P corners of F faces of B bodies, in drawing order: each face, then its marks.

    The bodies stand over the origin on z = 0, scaled to a height or a width of one, whichever is larger.
    """

    def __init__(self, bodies: Sequence[list[Mark]]):
        outlines, shades, glow = zip(*[face for body in bodies for face in body], strict=True)
        points = np.concatenate(outlines)
        low, high = points.min(0), points.max(0)
        points -= (low + high) / 2 * (1, 1, 0) + low * (0, 0, 1)
        self.points = points / max(high[0] - low[0], high[2] - low[2])  # [P, 3]
        self.ends = np.cumsum([len(outline) for outline in outlines])  # [F], the end of each face's corners in `points`
        self.colours, self.glow = np.array(shades), np.array(glow)  # [F, 3], 0 to 1; bool [F]
        starts = np.concatenate([[0], self.ends[:-1]])
        self.first = self.points[starts]  # [F, 3], a corner of each face
        along, up = self.points[starts + 2] - self.first, self.points[self.ends - 1] - self.points[starts + 1]
        normals = np.cross(along, up)
        self.normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)  # [F, 3], outward
        self.body = np.repeat(np.arange(len(bodies)), [len(body) for body in bodies])  # [F]
        first = np.cumsum([0, *(sum(len(face.outline) for face in body) for body in bodies[:-1])])
        self.low = np.minimum.reduceat(self.points, first)  # [B, 3], each body's bounds
        self.high = np.maximum.reduceat(self.points, first)

    def visible(self, eye: np.ndarray) -> np.ndarray:
        """Return the faces [V] turned to an eye at [3], in drawing order: a hidden face before faces that hide it."""
        front = np.flatnonzero(((eye - self.first) * self.normals).sum(1) > 1e-9)
        return front[np.argsort(self._ranks(eye)[self.body[front]], kind="stable")]

    def _ranks(self, eye: np.ndarray) -> np.ndarray:
        """Return each body's rank [B] in painter's order.

        If a plane separates two bodies, the body on the far side from the eye cannot hide the other.
        """
        count, slack = len(self.low), 1e-4
        above = (self.low[:, None] >= self.high[None] - slack) & (eye < self.low + slack)[:, None]
        below = (self.high[:, None] <= self.low[None] + slack) & (eye > self.high - slack)[:, None]
        hides = np.logical_not((above | below).any(2))  # [i, j]: body i may hide body j
        np.fill_diagonal(hides, False)
        distance = np.linalg.norm((self.low + self.high) / 2 - eye, axis=1)
        hides &= ~(hides.T & (distance[:, None] > distance))  # no plane between them: draw the farther one first
        ranks, left, rank = np.zeros(count, int), np.ones(count, bool), 0
        while left.any():
            ready = left & ~(hides & left).any(1)
            if not ready.any():  # a cycle of three or more bodies
                ready[np.where(left, distance, -1).argmax()] = True
            ranks[ready], rank = rank, rank + 1
            left &= ~ready
        return ranks
