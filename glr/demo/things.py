"""Things other than landmarks, as data: their pieces, and the number, size and place of their groups."""

from typing import NamedTuple

Piece = tuple[str, str, float, float, float, float]


def _windows(columns: int, rows: int, width: float, height: float) -> tuple[Piece, ...]:
    wide, high = width / columns, height / rows
    cells = [(c - columns / 2, r) for r in range(rows) for c in range(columns)]
    return tuple(("pane", "square", (c + 0.3) * wide, (r + 0.35) * high, 0.4 * wide, 0.45 * high) for c, r in cells)


# A thing's pieces: paint, outline, and box (left, bottom, width, height) in units of the thing's height; x from its
# middle, y up from its foot. Paints are names in `surroundings.PAINTS`, or chosen at random per thing: vivid "a" and
# "b", muted "wall" and "tiles", a green "leaf".
THINGS: dict[str, tuple[Piece, ...]] = {
    "house": (
        *(("tiles", "triangle", -0.45, 0.68, 0.9, 0.32), ("wall", "square", -0.4, 0, 0.8, 0.7)),
        *_windows(3, 2, 0.8, 0.7),
    ),
    "flats": (("wall", "square", -0.3, 0, 0.6, 1), *_windows(3, 5, 0.6, 1)),
    "tree": (
        ("bark", "square", -0.03, 0, 0.06, 0.6),
        *(("leaf", "round", x, 0.4, 0.34, 0.34) for x in (-0.35, 0)),
        *(("leaf", "round", x, 0.6, 0.34, 0.34) for x in (-0.28, -0.06)),
        ("leaf", "round", -0.18, 0.48, 0.36, 0.36),
    ),
    "fir": (
        ("bark", "square", -0.03, 0, 0.06, 0.3),
        *(("leaf", "triangle", -wide, up, 2 * wide, 0.4) for up, wide in ((0.15, 0.28), (0.38, 0.22), (0.6, 0.15))),
    ),
    "bush": (("leaf", "round", -0.3, -0.1, 0.6, 0.6),),
    "hill": (("leaf", "round", -2.5, -0.6, 5, 1.6),),
    "peak": (("wall", "triangle", -1, 0, 2, 1), ("tiles", "triangle", -0.1, 0, 1.7, 0.8)),
    "person": (
        ("dark", "square", -0.09, 0, 0.18, 0.48),
        ("a", "round", -0.15, 0.38, 0.3, 0.48),
        ("skin", "round", -0.085, 0.82, 0.17, 0.2),
    ),
    "car": (
        *(("a", "hood", -0.9, 0.5, 1.5, 0.5), ("glass", "hood", -0.75, 0.55, 1.2, 0.36)),
        ("a", "square", -1.25, 0.15, 2.5, 0.42),
        *(("dark", "round", x, 0, 0.4, 0.4) for x in (-0.95, 0.55)),
    ),
    "pole": (("dark", "square", -0.012, 0, 0.024, 1), ("lamp", "round", -0.05, 0.95, 0.1, 0.1)),
    "railing": (("b", "square", -9, 0.9, 18, 0.12), *(("b", "square", 0.35 * i, 0, 0.07, 0.9) for i in range(-25, 26))),
    "bunting": tuple(("ab"[i % 2], "diamond", 0.7 * i, 0.04 * abs(i), 0.6, 1) for i in range(-9, 9)),
    "branch": tuple(("leaf", "round", i * 7 % 20 / 20 - 0.5, -i * 11 % 20 / 30, 0.16, 0.16) for i in range(20)),
    "ball": (("a", "round", -0.5, 0, 1, 1), ("white", "round", -0.3, 0.6, 0.22, 0.22)),
    "box": (("a", "square", -0.6, 0, 1.2, 1), ("b", "square", -0.6, 0.4, 1.2, 0.2)),
    "bottle": (("a", "square", -0.16, 0, 0.32, 0.65), ("b", "hood", -0.12, 0.62, 0.2, 0.38)),
    "plate": (("white", "round", -1.8, 0, 3.6, 1), ("a", "round", -1.1, 0.15, 2.2, 0.6)),
    "picture": (("dark", "square", -0.6, 0, 1.2, 1), ("a", "square", -0.54, 0.06, 1.08, 0.88)),
    "cloud": tuple(("white", "round", x, y, 1.8, 0.6) for x, y in ((-1.7, 0), (-0.9, 0.25), (0, 0.1), (-0.8, -0.2))),
}


class Group(NamedTuple):
    """Several things in a picture."""

    names: str  # names in `THINGS`
    number: tuple[int, int]  # the smallest and the largest number
    height: tuple[float, float]  # as shares of the picture's height, for a thing whose foot is at the bottom
    foot: tuple[float, float] = (0, 1)  # 1 at the bottom of the picture, 0 at the horizon, -1 at the top
    aside: float = 0.0  # share of the picture's width that stays free in the middle
    distance: float = 0.5  # 0 at the camera, 1 at the landmark


CLOUDS = Group("cloud", (0, 5), (0.04, 0.12), (-1, 0), distance=2.0)
BACKDROPS = (  # from the farthest to the nearest
    Group("peak", (4, 9), (1.0, 2.5), (0, 0), distance=4.0),
    Group("hill", (3, 8), (0.4, 1.2), (0, 0), distance=3.5),
    Group("flats", (6, 12), (1.0, 3.0), (0, 0), distance=2.5),
    Group("house", (8, 14), (0.6, 1.6), (0, 0), distance=2.5),
    Group("bush", (15, 25), (0.8, 1.8), (0, 0), distance=2.5),
)
NEIGHBOURS = Group("house flats", (0, 2), (0.8, 2.0), (0.05, 0.15), 0.6, 1.2)
OCCLUDERS = (
    Group("tree fir", (1, 3), (0.3, 0.6), (0.5, 1.1), 0.4),
    Group("person", (2, 8), (0.12, 0.28), (0.7, 1.1)),
    Group("person", (1, 1), (0.6, 0.8), (1.2, 1.4), 0.3),
    Group("pole", (1, 1), (0.5, 0.9), (0.9, 1.1)),
    Group("car", (1, 2), (0.1, 0.16), (0.7, 1.0)),
    Group("railing", (1, 1), (0.12, 0.2), (1, 1)),
    Group("bunting", (1, 1), (0.06, 0.1), (-0.96, -0.85)),
    Group("branch", (1, 1), (0.35, 0.6), (-0.95, -0.9), 0.8, 0.2),
)
STREET = (Group("house flats", (8, 14), (0.6, 1.2), (0.0, 0.7), 0.6, 1.5), Group("car person", (0, 4), (0.1, 0.2)))
OUTDOORS = (STREET, STREET, (Group("tree fir bush", (2, 9), (0.3, 0.9), (0, 0.9)),))
INDOORS = (
    Group("picture", (0, 3), (0.2, 0.35), (-0.7, -0.3)),
    Group("ball box bottle plate", (2, 6), (0.2, 0.45), (0.2, 0.95)),
    Group("person", (0, 1), (0.7, 0.9), (1.0, 1.3)),
)
