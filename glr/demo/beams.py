"""Frames of beams: lattices, wheels, sails and cables, in a unit box that stands over the origin."""

from collections.abc import Callable, Sequence
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np


class Beam(NamedTuple):
    """A beam of square section: ends (x, y, z), where x and y run from -0.5 to 0.5 and z from 0 to 1."""

    start: Sequence[float] | np.ndarray
    end: Sequence[float] | np.ndarray
    thick: float  # share of the box's width
    colour: str = "roof"


def _lattice(levels: int, _turn: float) -> list[Beam]:
    heights = np.linspace(0, 1, levels + 1) ** 0.9
    spans = 0.45 * (1 - heights) ** 1.5 + 0.04
    beams = [Beam((0, 0, heights[1]), (0, 0, heights[1] + 0.05), 2.4 * spans[1], "accent")]
    for (low, high), (span, after) in zip(pairwise(heights), pairwise(spans), strict=True):
        for x, y in product((-1, 1), (1, -1)):
            beams.append(Beam((x * span, y * span, low), (x * after, y * after, high), 0.12 * (1 - low / 2)))
            beams.append(Beam((x * span, y * span, low), (-x * after, y * after, high), 0.06))
    return beams


def _wheel(spokes: int, turn: float) -> list[Beam]:
    turns, hub = turn + 2 * np.pi * np.arange(spokes + 1) / spokes, (0.0, 0.0, 0.55)
    rim = [(0.45 * np.cos(t), 0.0, 0.55 + 0.41 * np.sin(t)) for t in turns]
    back, front = ([Beam((x, y, 0), (0, y, 0.55), 0.05, "wall") for x in (-0.3, 0.3)] for y in (0.5, -0.5))
    beams = [Beam(a, b, 0.05) for a, b in pairwise(rim)] + [Beam(hub, a, 0.025, "trim") for a in rim[1:]]
    cabins = [Beam((x, -0.2, z - 0.1), (x, -0.2, z), 0.1, "accent") for x, _, z in rim[1:]]
    return [*back, *beams, *cabins, *front]


def _sails(count: int, turn: float) -> list[Beam]:
    beams = []
    for t in turn + 2 * np.pi * np.arange(count) / count:
        along, across = 0.5 * np.array([np.cos(t), 0, np.sin(t)]), 0.05 * np.array([-np.sin(t), 0, np.cos(t)])
        hub = np.array([0, 0, 0.65])
        beams.append(Beam(hub, hub + along, 0.03))
        beams.append(Beam(hub + 0.25 * along + across, hub + along + across, 0.08, "accent"))
    return beams


def _arm(_count: int, _turn: float) -> list[Beam]:
    return [Beam((0.3, 0, 0.65), (0.6, 0, 1.05), 0.15), Beam((0.6, 0, 1.05), (0.6, 0, 1.2), 0.25, "accent")]


_PYLONS = [Beam((x, y, 0), (x, y, 1), 0.06, "wall") for x, y in product((-0.27, 0.27), (0.5, -0.5))]


def _catenary(count: int, _turn: float) -> list[Beam]:
    x = np.linspace(-0.5, 0.5, 2 * count + 1)
    z = np.where(np.abs(x) < 0.27, 0.1 + 0.85 * (x / 0.27) ** 2, 0.95 - 4 * (np.abs(x) - 0.27))
    cable = list(zip(x, np.full(len(x), -0.5), z, strict=True))
    ropes = [Beam(a, b, 0.016, "accent") for a, b in pairwise(cable)]
    return [*_PYLONS, *ropes, *(Beam((x, y, 0), (x, y, z), 0.008, "accent") for x, y, z in cable)]


def _stays(count: int, lowest: float) -> list[Beam]:
    feet = np.append(np.linspace(-0.5, -0.04, count), np.linspace(0.04, 0.5, count))
    tips = [(np.sign(x) * 0.27, -0.5, lowest + (1 - lowest) * abs(abs(x) - 0.27) / 0.23) for x in feet]
    return [*_PYLONS, *(Beam((x, -0.5, 0), tip, 0.01, "accent") for x, tip in zip(feet, tips, strict=True))]


BEAMS: dict[str, Callable[[int, float], list[Beam]]] = {
    "lattice": _lattice,
    "wheel": _wheel,
    "sails": _sails,
    "arm": _arm,
    "catenary": _catenary,
    "stays": _stays,
}
"""Frames by name, built from a count (levels, spokes, cables ...) and a turn in radians (stays: their lowest end)."""
