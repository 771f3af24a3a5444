"""Ornament: the colours and patterns that cover one landmark, coarse enough to tell apart at 64 pixels."""

from typing import NamedTuple

import numpy as np

from glr.demo.canvas import OUTLINES, colours, outline
from glr.demo.solid import Cover, Mark

WALLS = colours(
    "f0e0b8 f2f0eb d9ad70 a84733 d1754d 9e9ea1 575c6b eb9e99 e6ad38 7aa8db 94cca8 704f36 2b2b33 b31f26 216e78 9e85c2"
)
ROOFS = colours("384052 b84226 57a88c f5c22e 2447b3 f2f0eb 59361f 6b3385 1a5733 c2c9d4 1499a8 eb801a")
GLASS = colours("1a1f2e 335273 4d291a d9ebf5")


class Layer(NamedTuple):
    """One outline, repeated in the cells of a grid over a face."""

    colour: str  # a name in `Style.colours`
    shape: str = "square"
    share: tuple[float, float] = (1.0, 1.0)  # share of a cell's width and height
    cell: tuple[float, float] = (1.0, 1.0)  # width and height, in the landmark's height; 0: the whole face's
    step: int = 1  # fill every `step`th cell, as on a chessboard
    rise: float = 0.5  # the outline's height in its cell: 0 at the bottom, 1 at the top
    glow: bool = False  # a window: shines at night

    def on(self, width: float, height: float) -> list[np.ndarray]:
        """The outlines [n, 2], 0 to 1, on a face of this size; none where less than half a cell fits."""
        (wide, high), (across, up) = self.share, self.cell
        if not across and not up:  # shares of the shorter side keep the outline's proportions
            wide, high = wide * min(1, height / width), high * min(1, width / height)
        columns = min(8, round(width / across)) if across else 1
        rows = min(8, round(height / up)) if up else 1
        left, low, grid = (1 - wide) / 2, (1 - high) * self.rise, (columns, rows)
        cells = [(c, r) for r in range(rows) for c in range(columns) if (c + r) % self.step == 0]
        return [outline(self.shape, c + left, r + low, wide, high) / grid for c, r in cells]


# Here a cell is a multiple of the style's own cell.
MASONRY = (
    Layer("trim", step=1000),
    Layer("trim", share=(1.0, 0.5), cell=(0, 1)),
    Layer("trim", share=(0.5, 1.0), cell=(1, 0)),
    Layer("trim", step=2),
    Layer("trim", share=(0.7, 0.6)),
    Layer("trim", "diamond"),
    Layer("trim", "triangle"),
    Layer("trim", "round", share=(0.8, 0.8)),
)
# The covers of a body's sides in turn, the front first: a colour, and the style's layers over it.
COVERS = {
    "walls": ("wall masonry windows",),
    "annex": ("trim windows",),
    "front": ("wall masonry windows door emblem", *["wall masonry windows"] * 3),
    "stone": ("wall masonry",),
    "tiles": ("roof stripes",),
    "ribs": ("roof", "accent"),
    "gable": ("wall emblem", "roof stripes"),
    "ridge": ("roof stripes", "wall emblem"),
    "merlons": ("trim merlons",),
    "clock": ("wall masonry clock",),
}


def _unlike(rng: np.random.Generator, palette: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """Draw a colour that differs from the others by a third in some channel, or by as much as the palette allows."""
    distance = np.min([np.abs(palette - other).max(1) for other in others], axis=0)
    return palette[rng.choice(np.flatnonzero(distance >= min(0.35, distance.max())))]


class Style:
    """The materials of one landmark, the same on all its parts; chosen by `rng`."""

    def __init__(self, rng: np.random.Generator):
        wall = WALLS[rng.integers(len(WALLS))]
        roof = _unlike(rng, ROOFS, wall)
        self.colours = {
            "wall": wall,
            "trim": _unlike(rng, WALLS, wall),
            "roof": roof,
            "accent": _unlike(rng, ROOFS, wall, roof),
            "glass": _unlike(rng, GLASS, wall),
        }
        masonry = MASONRY[rng.integers(len(MASONRY))]
        cell, bay = rng.uniform(0.1, 0.22, 2)
        opening = rng.uniform((0.35, 0.4), (0.7, 0.85))
        window, emblem = rng.choice(list(OUTLINES), 2)
        self.layers = {
            "masonry": [masonry._replace(cell=(cell * masonry.cell[0], cell * masonry.cell[1]))],
            "windows": [Layer("glass", window, tuple(opening), (bay, bay * rng.choice([1.3, 2.6])), glow=True)],
            "stripes": [Layer("accent", share=(1.0, 0.5), cell=(0, rng.choice([0.06, 0.1, 9.0])))],
            "merlons": [Layer("glass", share=(0.5, 0.6), cell=(0.06, 0), rise=1.0)],
            "emblem": [
                Layer("trim", emblem, (0.34, 0.34), (0, 0), rise=0.9),
                Layer("accent", emblem, (0.22, 0.22), (0, 0), rise=0.84, glow=True),
            ],
            "clock": [
                Layer("trim", "round", (0.85, 0.85), (0, 0)),
                Layer("accent", emblem, (0.5, 0.5), (0, 0), glow=True),
            ],
            "door": [
                Layer("trim", "arch", (0.5, 0.55), (0, 0), rise=0.0),
                Layer("glass", "arch", (0.36, 0.47), (0, 0), rise=0.0, glow=True),
            ],
        }

    def covers(self, name: str) -> list[Cover]:
        """The covers of a body's sides in turn: an entry of `COVERS`, or a plain colour of the style."""
        return [self._cover(*words.split()) for words in COVERS.get(name, (name,))]

    def _cover(self, colour: str, *layers: str) -> Cover:
        def cover(width: float, height: float) -> list[Mark]:
            marks = [
                Mark(shape, self.colours[layer.colour], layer.glow)
                for name in layers
                for layer in self.layers[name]
                for shape in layer.on(width, height)
            ]
            return [Mark(OUTLINES["square"], self.colours[colour]), *marks]

        return cover
