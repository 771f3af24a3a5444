"""Solids: convex bodies with flat, ornamented faces, and which face hides which from a point of view."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Mark(NamedTuple):
    """A coloured shape on a face: outline [n, 2] in the face's own coordinates (u right, v up, 0 to 1)."""

    outline: np.ndarray
    colour: np.ndarray  # RGB [3], 0 to 1
    glow: bool = False  # a window: shines at night


class Coat(NamedTuple):
    """What covers a face: a colour (RGB [3], 0 to 1), and the marks on it, later ones over earlier ones."""

    colour: np.ndarray
    marks: Sequence[Mark] = ()


Cover = Callable[[float, float], Coat]
"""A coat made for a face of this width and height."""


class Face(NamedTuple):
    """A flat convex polygon, corners [n, 3]."""

    corners: np.ndarray
    colour: np.ndarray
    glow: bool


def loft(low: np.ndarray, high: np.ndarray, sides: Sequence[Cover], caps: Cover | None) -> list[Face]:
    """The body between two rings of corners.

    Args:
        low: [n, 3]; for an upright body counterclockwise as seen from above.
        high: [n, 3], the corner above (or behind) each of `low`; all the same point for a tip.
        sides: covers of the side faces, repeated in turn.
        caps: cover of the two ends; None leaves them away.
    """
    faces: list[Face] = []
    for i in range(len(low)):
        j = (i + 1) % len(low)
        corners = np.stack([low[i], low[j], high[j], high[i]])
        lower, upper = np.linalg.norm(corners[1] - corners[0]), np.linalg.norm(corners[2] - corners[3])
        rise = np.linalg.norm((corners[2] + corners[3] - corners[0] - corners[1]) / 2)
        if max(lower, upper) * rise > 1e-6:
            coat = sides[i % len(sides)](float(max(lower, upper)), float(rise))
            faces += _coated(corners, coat, corners)
    for ring in (low, high):
        extent = np.ptp(ring, axis=0)
        if caps is not None and np.sort(extent)[1] > 1e-3:
            right, up = _axes(int(extent.argmin()))
            start, across, along = ring.min(0), np.zeros(3), np.zeros(3)
            across[right], along[up] = extent[right], extent[up]
            frame = np.stack([start, start + across, start + across + along, start + along])
            faces += _coated(ring, caps(float(extent[right]), float(extent[up])), frame)
    return faces


def _axes(flat: int) -> tuple[int, int]:
    """Which axes run right and up on a face that is flat along `flat`."""
    return ((1, 2), (0, 2), (0, 1))[flat]


def _coated(corners: np.ndarray, coat: Coat, frame: np.ndarray) -> list[Face]:
    """A face and its marks, whose coordinates run over the frame's corners [4, 3]."""
    faces = [Face(corners, coat.colour, False)]
    for outline, colour, glow in coat.marks:
        u, v = outline[:, :1], outline[:, 1:]
        place = (1 - v) * ((1 - u) * frame[0] + u * frame[1]) + v * ((1 - u) * frame[3] + u * frame[2])
        faces.append(Face(place, colour, glow))
    return faces


@dataclass(frozen=True)
class Mesh:
    """Bodies as arrays: P corners of F faces of B bodies; each face and then its marks, in the order drawn."""

    points: np.ndarray  # [P, 3]
    ends: np.ndarray  # [F], where a face's corners end in `points`
    colours: np.ndarray  # [F, 3], 0 to 1
    normals: np.ndarray  # [F, 3], outward
    glow: np.ndarray  # bool [F]
    body: np.ndarray  # [F]
    low: np.ndarray  # [B, 3], each body's bounds
    high: np.ndarray  # [B, 3]

    @classmethod
    def of(cls, bodies: Sequence[list[Face]]) -> "Mesh":
        """Scale the bodies to a height or a width of one, whichever is larger, standing over the origin on z = 0."""
        faces = [face for body in bodies for face in body]
        points = np.concatenate([face.corners for face in faces])
        low, high = points.min(0), points.max(0)
        points -= np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
        points /= max(high[0] - low[0], high[2] - low[2])
        ends = np.cumsum([len(face.corners) for face in faces])
        body_ends = np.cumsum([sum(len(face.corners) for face in body) for body in bodies])
        first_of_body = np.concatenate([[0], body_ends[:-1]])
        middles = np.add.reduceat(points, first_of_body) / np.diff(body_ends, prepend=0)[:, None]
        body = np.repeat(np.arange(len(bodies)), [len(body) for body in bodies])
        return cls(
            points=points,
            ends=ends,
            colours=np.array([face.colour for face in faces]),
            normals=_normals(points, ends, middles[body]),
            glow=np.array([face.glow for face in faces]),
            body=body,
            low=np.minimum.reduceat(points, first_of_body),
            high=np.maximum.reduceat(points, first_of_body),
        )

    def visible(self, eye: np.ndarray) -> np.ndarray:
        """The faces [V] turned to an eye at [3], what hides after what is hidden."""
        first = self.points[np.concatenate([[0], self.ends[:-1]])]
        front = np.flatnonzero(((eye - first) * self.normals).sum(1) > 1e-9)
        return front[np.argsort(self._ranks(eye)[self.body[front]], kind="stable")]

    def _ranks(self, eye: np.ndarray) -> np.ndarray:
        """When to draw each body, [B]: painter's order.

        Where a plane between two bodies has the eye on one side, the body on the other cannot hide the one on this.
        """
        count, slack = len(self.low), 1e-4
        above = (self.low[:, None] >= self.high[None] - slack) & (eye < self.low + slack)[:, None]
        below = (self.high[:, None] <= self.low[None] + slack) & (eye > self.high - slack)[:, None]
        hides = np.logical_not((above | below).any(2))  # [i, j]: body i may hide body j
        np.fill_diagonal(hides, False)
        distance = np.linalg.norm((self.low + self.high) / 2 - eye, axis=1)
        both = hides & hides.T  # no plane between them: the farther one first
        hides &= ~(both & (distance[:, None] > distance[None]))
        ranks, left = np.zeros(count, int), np.ones(count, bool)
        for rank in range(count):
            ready = left & ~(hides & left).any(1)
            if not ready.any():  # a circle of three or more
                ready[np.where(left, distance, -1).argmax()] = True
            ranks[ready] = rank
            left &= ~ready
            if not left.any():
                break
        return ranks


def _normals(points: np.ndarray, ends: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Unit normals [F, 3] of the faces, away from a point [F, 3] in their body."""
    starts = np.concatenate([[0], ends[:-1]])
    following = np.arange(1, len(points) + 1)
    following[ends - 1] = starts
    # Newell's method: right for any flat polygon, also where corners coincide.
    first = np.repeat(points[starts], ends - starts, axis=0)
    normals = np.add.reduceat(np.cross(points - first, points[following] - first), starts)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    outward = ((points[starts] - inside) * normals).sum(1, keepdims=True) >= 0
    return np.where(outward, normals, -normals)
