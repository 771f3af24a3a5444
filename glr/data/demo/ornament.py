"""Ornament: what a landmark's walls and roofs are covered with, coarse enough to tell at 64 pixels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from glr.data.demo.solid import Coat, Cover, Mark

WALLS = np.array(
    [
        (0.94, 0.88, 0.72),  # cream
        (0.95, 0.94, 0.92),  # white
        (0.85, 0.68, 0.44),  # sand
        (0.66, 0.28, 0.20),  # brick
        (0.82, 0.46, 0.30),  # terracotta
        (0.62, 0.62, 0.63),  # grey
        (0.34, 0.36, 0.42),  # slate
        (0.92, 0.62, 0.60),  # pink
        (0.90, 0.68, 0.22),  # ochre
        (0.48, 0.66, 0.86),  # sky blue
        (0.58, 0.80, 0.66),  # mint
        (0.44, 0.31, 0.21),  # brown
        (0.17, 0.17, 0.20),  # basalt
        (0.70, 0.12, 0.15),  # crimson
        (0.13, 0.43, 0.47),  # teal
        (0.62, 0.52, 0.76),  # lilac
    ]
)
ROOFS = np.array(
    [
        (0.22, 0.25, 0.32),  # slate
        (0.72, 0.26, 0.15),  # tiles
        (0.34, 0.66, 0.55),  # copper
        (0.96, 0.76, 0.18),  # gold
        (0.14, 0.28, 0.70),  # blue
        (0.95, 0.94, 0.92),  # white
        (0.35, 0.21, 0.12),  # wood
        (0.42, 0.20, 0.52),  # purple
        (0.10, 0.34, 0.20),  # dark green
        (0.76, 0.79, 0.83),  # silver
        (0.08, 0.60, 0.66),  # turquoise
        (0.92, 0.50, 0.10),  # orange
    ]
)
Shape = Callable[[float, float, float, float], np.ndarray]
GLASS = np.array([(0.10, 0.12, 0.18), (0.20, 0.32, 0.45), (0.30, 0.16, 0.10), (0.85, 0.92, 0.96)])


def rectangle(u: float, v: float, width: float, height: float) -> np.ndarray:
    """Outline [4, 2] from the lower left corner."""
    return np.array([(u, v), (u + width, v), (u + width, v + height), (u, v + height)])


def _arched(u: float, v: float, width: float, height: float) -> np.ndarray:
    outline = [(0, 0), (1, 0), (1, 0.7), (0.85, 0.9), (0.5, 1), (0.15, 0.9), (0, 0.7)]
    return np.array(outline) * (width, height) + (u, v)


def _round(u: float, v: float, width: float, height: float) -> np.ndarray:
    turn = np.arange(10) * (2 * np.pi / 10)
    return np.stack([u + width * (0.5 + 0.5 * np.cos(turn)), v + height * (0.5 + 0.5 * np.sin(turn))], 1)


def _diamond(u: float, v: float, width: float, height: float) -> np.ndarray:
    return np.array([(0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5)]) * (width, height) + (u, v)


SHAPES = {"plain": rectangle, "arched": _arched, "round": _round, "diamond": _diamond}


def _stripes(count: int) -> list[np.ndarray]:
    """`count` pairs of a bare and a covered stripe, from the bottom up."""
    return [rectangle(0, (i + 0.5) / count, 1, 0.5 / count) for i in range(count)]


def _cells(
    columns: int, rows: int, shape: Shape, share: float = 1.0, shift: float = 0.0, step: int = 1
) -> list[np.ndarray]:
    """A shape in every `step`th cell of a chequered grid, every other row shifted by a part of a cell."""
    w, h = 1 / columns, 1 / rows
    return [
        shape(max(0.0, (c - shift * (r % 2)) * w), r * h, w * share, h * share)
        for r in range(rows)
        for c in range(columns)
        if (c + r) % step == 0
    ]


def _chevrons(_columns: int, rows: int) -> list[np.ndarray]:
    left = np.array([(0, 0), (0.5, 0.5), (0.5, 1), (0, 0.5)]) * (1, 1 / rows)
    return [half + (0, r / rows) for r in range(rows) for half in (left, left * (-1, 1) + (1, 0))]


# What masonry of so many columns and rows sets off in the trim's colour.
MASONRY: dict[str, Callable[[int, int], list[np.ndarray]]] = {
    "plain": lambda _columns, _rows: [],
    "courses": lambda _columns, rows: _stripes(rows),
    "pilasters": lambda columns, _rows: [stripe[:, ::-1] for stripe in _stripes(columns)],
    "checker": lambda columns, rows: _cells(columns, rows, rectangle, step=2),
    "bricks": lambda columns, rows: _cells(columns, rows, rectangle, share=0.6, shift=0.5),
    "lozenges": lambda columns, rows: _cells(columns, rows, _diamond),
    "chevrons": _chevrons,
    "plinth": lambda _columns, _rows: [rectangle(0, 0, 1, 0.3), rectangle(0, 0.9, 1, 0.1)],
}


def far_from(rng: np.random.Generator, palette: np.ndarray, others: Sequence[np.ndarray], apart: float) -> np.ndarray:
    """Draw a colour that differs from the others by `apart` in some channel, as far as the palette has one."""
    distance = np.min([np.abs(palette - other).max(1) for other in others], axis=0)
    fit = np.flatnonzero(distance >= min(apart, distance.max()))
    return palette[rng.choice(fit)]


@dataclass(frozen=True)
class Style:
    """The materials of one landmark, the same on all its parts: colours, masonry and windows."""

    wall: np.ndarray
    trim: np.ndarray
    roof: np.ndarray
    accent: np.ndarray
    glass: np.ndarray
    masonry: str
    cell: float  # the masonry's measure, in the landmark's height
    window: str  # a shape, or "slit"
    bay: float  # between windows, in the landmark's height
    opening: tuple[float, float]  # a window's share of its bay's width and height
    banded_roof: int  # stripes on a roof; 0: plain

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Style":
        """Draw materials that differ from each other."""
        wall = WALLS[rng.integers(len(WALLS))]
        roof = far_from(rng, ROOFS, [wall], 0.35)
        return cls(
            wall=wall,
            trim=far_from(rng, WALLS, [wall], 0.3),
            roof=roof,
            accent=far_from(rng, ROOFS, [wall, roof], 0.35),
            glass=far_from(rng, GLASS, [wall], 0.4),
            masonry=str(rng.choice(list(MASONRY))),
            cell=rng.uniform(0.1, 0.22),
            window=str(rng.choice([*SHAPES, "slit"])),
            bay=rng.uniform(0.1, 0.22),
            opening=(rng.uniform(0.35, 0.7), rng.uniform(0.4, 0.75)),
            banded_roof=int(rng.choice([0, 0, 3, 5])),
        )

    @staticmethod
    def solid(colour: np.ndarray) -> Cover:
        """A cover of one colour."""
        return lambda _width, _height: Coat(colour)

    def walls(self, width: float, height: float) -> Coat:
        """Masonry and windows."""
        return Coat(self.wall, [*self._masonry(width, height), *self._windows(width, height)])

    def stone(self, width: float, height: float) -> Coat:
        """Masonry without windows."""
        return Coat(self.wall, self._masonry(width, height))

    def roofing(self, _width: float, height: float) -> Coat:
        """Plain, or striped in the accent's colour."""
        count = self.banded_roof if height > 0.06 else 0
        return Coat(self.roof, [Mark(r, self.accent) for r in _stripes(count)])

    def front(self, centre: str, door: float = 0.3) -> Cover:
        """Walls with a door of this width and above it a disc, diamond, cross or nothing in the accent's colour."""

        def cover(width: float, height: float) -> Coat:
            coat = self.walls(width, height)
            tall = min(0.45, 1.6 * door * width / height)
            marks = [
                *coat.marks,
                Mark(_arched(0.5 - door / 2 - 0.06, 0, door + 0.12, tall * 1.2), self.trim),
                Mark(_arched(0.5 - door / 2, 0, door, tall), self.glass, True),
            ]
            across = min(0.5, 0.4 * height / width)
            up = across * width / height
            place = (0.5 - across / 2, min(0.95 - up, max(tall * 1.3, 0.72 - up / 2)), across, up)
            if centre in SHAPES:
                marks += [Mark(SHAPES[centre](*place), self.trim)]
                inner = (place[0] + across * 0.15, place[1] + up * 0.15, across * 0.7, up * 0.7)
                marks += [Mark(SHAPES[centre](*inner), self.accent, True)]
            elif centre == "cross":
                marks += [Mark(rectangle(0.5 - across / 10, place[1], across / 5, up), self.accent)]
                marks += [Mark(rectangle(place[0], place[1] + up * 0.55, across, up / 5), self.accent)]
            return Coat(coat.colour, marks)

        return cover

    def _masonry(self, width: float, height: float) -> list[Mark]:
        columns, rows = (max(1, min(10, round(length / self.cell))) for length in (width, height))
        return [Mark(outline, self.trim) for outline in MASONRY[self.masonry](columns, rows)]

    def _windows(self, width: float, height: float) -> list[Mark]:
        columns, rows = min(7, int(width / self.bay)), min(9, int(height / (1.3 * self.bay)))
        if not columns or not rows:
            return []
        shape, (share, tall) = SHAPES.get(self.window, rectangle), self.opening
        if self.window == "slit":
            share, tall, rows = share * 0.6, 0.85, max(1, rows // 2)
        w, h = 1 / columns, 1 / rows
        return [
            Mark(shape((c + (1 - share) / 2) * w, (r + (1 - tall) / 2) * h, w * share, h * tall), self.glass, True)
            for r in range(rows)
            for c in range(columns)
        ]
