"""The plans of the landmarks, as data: the parts of each kind, and their sizes.

In a plan a tuple (low, high) is a range and a list holds choices: both are drawn once for each landmark.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Part:
    """A shape in one or several places. x points right, y back, z up; sizes are in units of the landmark's height.

    A part in the middle carries the parts that follow; parts elsewhere carry nothing.
    """

    shape: Any  # a key of `SHAPES` or `BEAMS`, "arcade" or "crown" (the landmark's own top)
    width: Any  # as a share of the part that carries it; of the first part: in units of the landmark's height
    height: Any  # total height of all repetitions
    depth: Any = None  # as a share, like the width; None: as deep as wide
    cover: Any = None  # names of the style's covers, used in turn by the segments; None: the shape's own
    at: Any = "middle"  # a key of `PLACES`
    beside: bool = False  # stands on the ground, around the part that would carry it
    sides: Any = 4  # 0: as many as the landmark's towers have
    repeat: Any = 1  # repetitions, one on top of the other; an arcade's openings; the count of `BEAMS`
    shrink: Any = 1.0  # a repetition's width as a share of the width of the top below it
    turn: Any = 0.0  # radians from one repetition to the next; the turn of `BEAMS`
    top: Any = None  # a shape on top of each copy
    rise: Any = 0.0  # the height of that shape


# The covers and the silhouette of each shape. A silhouette lists (radius, height) from foot to tip, as shares of the
# part's size; or (x, height, y) if width and depth differ.
SHAPES: dict[str, tuple[str, tuple[tuple[float, ...], ...]]] = {
    "block": ("walls", ((1, 0), (1, 1))),
    "slab": ("trim", ((1, 0), (1, 1))),
    "shaft": ("walls", ((1, 0), (0.9, 1))),
    "slope": ("walls", ((1, 0), (0.65, 1))),
    "gable": ("gable", ((1.06, 0, 1.04), (0, 1, 1.04))),
    "ridge": ("ridge", ((1.04, 0, 1.06), (1.04, 1, 0))),
    "house": ("walls gable", ((1, 0), (1, 0.65), (1.05, 0.65, 1.02), (0, 1, 1.02))),
    "stepped": ("walls trim accent", ((1, 0), (1, 0.75), (0.7, 0.75), (0.7, 0.9), (0.4, 0.9), (0.4, 1))),
    "tier": ("walls tiles tiles", ((1, 0), (1, 0.55), (1.6, 0.55), (1, 0.75), (0.8, 1))),
    "hipped": ("walls trim tiles", ((1, 0), (1, 0.6), (1.4, 0.6), (1.4, 0.68), (0.9, 1))),
    "minaret": (
        "stone trim stone tiles",
        ((1, 0), (0.9, 0.65), (1.6, 0.65), (1.6, 0.7), (0.8, 0.7), (0.8, 0.84), (0, 1)),
    ),
    "cupola": ("walls tiles", ((0.8, 0), (0.8, 0.45), (1, 0.45), (0.8, 0.75), (0.45, 0.93), (0, 1))),
    "pod": ("stone accent walls roof", ((0.35, 0), (0.3, 0.5), (0.5, 0.5), (1, 0.65), (1, 0.85), (0.5, 1))),
    "needle": ("accent trim", ((1, 0), (0.8, 0.4), (0.6, 0.4), (0.5, 0.7), (0.3, 0.7), (0, 1))),
    "figure": ("roof", ((1, 0), (0.55, 0.5), (0.8, 0.72), (0.25, 0.8), (0.45, 0.82), (0.45, 0.97), (0.2, 1))),
    "dome": ("tiles", ((1, 0), (0.95, 0.35), (0.75, 0.68), (0.42, 0.9), (0, 1))),
    "onion": ("tiles", ((0.75, 0), (1.15, 0.2), (1.1, 0.38), (0.5, 0.62), (0.15, 0.8), (0, 1))),
    "spire": ("tiles", ((1, 0), (0, 1))),
    "flared": ("tiles", ((1.3, 0), (0.7, 0.25), (0.25, 0.65), (0, 1))),
    "bell": ("ribs", ((1, 0), (0.9, 0.3), (0.4, 0.5), (0.3, 0.7), (0, 1))),
    "stump": ("ribs", ((1.2, 0), (0.6, 1))),
    "lantern": ("trim walls tiles", ((1.2, 0), (1.2, 0.15), (0.7, 0.15), (0.7, 0.5), (1, 0.5), (0, 1))),
    "merlons": ("merlons", ((1.2, 0), (1.2, 1))),
}
CROWNS = ["dome", "onion", "spire", "flared", "bell", "stump", "lantern"]
# Where parts stand: x and y from -1 to 1, on top of the part that carries them or around it.
PLACES = {
    "middle": [(0, 0)],
    "front": [(0, -1)],
    "back": [(0, 1)],
    "left": [(-1, 0)],
    "right": [(1, 0)],
    "pair": [(-1, 0), (1, 0)],
    "corners": list(product((-1, 1), repeat=2)),
    **{f"row{n}": [(x, 0) for x in np.linspace(-1, 1, n)] for n in (2, 3, 4, 5)},
    **{f"columns{n}": list(product(np.linspace(-1, 1, n), (-1, 1))) for n in (4, 5, 6, 8)},
}
TOWER: dict[str, Any] = {"sides": 0, "top": "crown", "rise": (0.12, 0.5)}
HOUSES = ["walls gable annex gable", "front gable", "walls tiles accent gable"]

KINDS: dict[str, tuple[object, ...]] = {
    "church": (
        Part("block", (0.35, 0.6), (0.25, 0.5), (0.5, 0.9), "front"),
        Part("block", (0.4, 0.6), (0.5, 1.0), at=["pair", "front", "left", "right", "back"], beside=True, **TOWER),
        Part("gable", 1, (0.12, 0.35), 1),
    ),
    "hall": (
        Part("block", (0.6, 1.1), (0.25, 0.5), (0.4, 0.7), "front"),
        [None, Part("minaret", (0.1, 0.16), (0.7, 1.3), at=["pair", "corners"], beside=True, sides=8)],
        Part("cupola", (0.16, 0.24), (0.15, 0.3), at=["pair", "corners"], sides=8),
        Part("block", (0.4, 0.55), (0.05, 0.25), cover="stone", sides=12),
        Part(["dome", "onion", "bell"], 1.05, (0.25, 0.5), sides=12),
        Part("needle", 0.4, 0.15),
    ),
    "pagoda": (
        Part("slab", (0.6, 0.9), (0.04, 0.15)),
        Part(["tier", "hipped"], (0.5, 0.6), (0.6, 1.2), sides=[4, 6, 8], repeat=[2, 3, 4, 5], shrink=(0.9, 1.15)),
        Part(["spire", "onion", "lantern"], 0.5, (0.1, 0.3), sides=8),
    ),
    "castle": (
        Part("block", (0.4, 0.6), (0.45, 0.9), cover="front"),
        Part("block", (0.35, 0.6), (0.3, 0.8), None, "walls", ["pair", "left", "corners"], beside=True, **TOWER),
        [None, Part("block", (1.8, 2.6), (0.15, 0.3), 0.2, at="back", beside=True, top="merlons", rise=0.06)],
        Part("merlons", 1, (0.08, 0.14)),
        [None, Part("crown", 1, (0.15, 0.4))],
    ),
    "temple": (
        Part("slab", (0.8, 1.4), 0.1, (0.5, 0.9), repeat=[1, 2, 3], shrink=0.94),
        Part("slab", (0.05, 0.09), 0.42, at=["columns4", "columns5", "columns6", "columns8"], sides=6),
        Part("block", 0.72, 0.42, 0.72, "front"),
        Part("block", 1.38, (0.05, 0.12), 1.38, "stone"),
        [Part("gable", 1, (0.15, 0.3), 1), Part("dome", 0.6, (0.25, 0.4), sides=12), Part("house", 0.6, 0.3, 0.6)],
    ),
    "pyramid": (
        [
            Part("block", (1.0, 1.2), (0.4, 0.7), None, ["stone", "wall accent"], repeat=[3, 4, 6], shrink=0.8),
            Part("slope", (1.0, 1.2), (0.4, 0.7), None, ["stone", "wall"]),
        ],
        Part("slab", (0.1, 0.25), (0.1, 0.25), cover="accent", at="front", beside=True),
        Part("block", (0.5, 0.8), (0.1, 0.25), cover="front", **TOWER),
    ),
    "cathedral": (
        Part("block", (0.9, 1.1), (0.15, 0.35), (0.6, 0.7), "front"),
        Part("block", 0.24, (0.1, 0.3), at=["pair", "corners"], sides=8, top="onion", rise=(0.25, 0.4)),
        Part("block", (0.26, 0.36), (0.35, 0.55), sides=8, top=["onion", "bell"], rise=(0.3, 0.5)),
    ),
    "terrace": (
        Part("slab", (1.0, 1.4), 0.03, (0.3, 0.4)),
        [
            Part("house", 1 / 2, (0.5, 0.8), 1, HOUSES, "row2"),
            Part(["house", "stepped"], 1 / 3, (0.4, 0.7), 1, HOUSES, "row3"),
            Part(["house", "stepped"], 1 / 4, (0.4, 0.7), 1, HOUSES, "row4"),
            Part("block", 1 / 5, (0.3, 0.5), 1, "walls annex", "row5", **TOWER),
        ],
    ),
    "clock tower": (
        Part(["block", "shaft"], (0.2, 0.32), (0.45, 0.8)),
        [None, Part("house", (1.2, 2.0), (0.25, 0.5), at=["left", "right", "pair"], beside=True)],
        Part("block", (1.05, 1.4), (0.25, 0.35), cover="clock"),
        Part("slab", 1.1, 0.04),
        Part(["crown", "lantern"], (0.8, 1.1), (0.15, 0.5), sides=[4, 8]),
    ),
    "skyscraper": (
        Part("slab", (0.5, 0.8), (0.02, 0.18)),
        [
            Part(["block", "slope"], (0.45, 0.7), 1, sides=[4, 3, 6, 12]),
            Part("block", (0.6, 0.9), 1, sides=[4, 6, 12], repeat=[2, 3, 4], shrink=(0.6, 0.85)),
            Part("block", (0.6, 0.8), 1, repeat=6, shrink=0.95, turn=(0.15, 0.4)),
        ],
        Part(["crown", "slab", "needle"], (0.4, 1.2), (0.1, 0.3), cover=["accent", "roof"]),
    ),
    "gate": (
        Part("arcade", (0.7, 1.1), (0.4, 0.8), (0.2, 0.4), repeat=[1, 1, 2, 3]),
        Part("slab", 1.1, 0.06, 1.15),
        Part("block", (0.6, 0.95), (0.08, 0.25), 0.85, "stone"),
        [
            Part(["gable", "ridge"], 1, (0.12, 0.3), 1),
            Part("figure", 0.2, (0.2, 0.3), sides=8, cover="accent"),
            Part("cupola", 0.22, (0.15, 0.35), at=["row2", "row3"], sides=8),
        ],
    ),
    "viaduct": (
        Part("arcade", 1.3, (0.3, 0.5), (0.15, 0.3), repeat=[2, 3, 4, 5]),
        [None, None, Part("arcade", 1, (0.15, 0.25), 0.7, repeat=[4, 6, 8])],
        Part("slab", 1.06, 0.05, 1.2, "accent"),
        [None, Part("block", (0.08, 0.14), (0.15, 0.4), at=["middle", "pair", "row3"], **TOWER)],
    ),
    "suspension bridge": (
        Part("arcade", 1.5, (0.12, 0.3), (0.12, 0.2), repeat=[1, 3, 6]),
        Part("slab", 1.06, 0.05, 1.2, "accent"),
        Part(["catenary", "stays"], 1, (0.35, 0.7), 1, repeat=[5, 7, 9], turn=[0.2, 0.8]),
    ),
    "lighthouse": (
        Part(["shaft", "block"], (0.2, 0.34), (0.6, 0.9), None, ["walls", "wall accent"], sides=0, repeat=[1, 3, 4, 6]),
        [None, Part("house", (0.9, 1.4), (0.2, 0.35), at=["left", "right"], beside=True)],
        Part("lantern", 1.2, (0.2, 0.4), sides=0),
    ),
    "mast": (
        [Part("lattice", 0.35, (0.3, 0.5), repeat=2), Part("slope", (0.2, 0.3), (0.25, 0.5), cover="stone", sides=8)],
        Part("pod", (0.8, 1.3), (0.3, 0.6), repeat=[1, 2, 3], shrink=(1.2, 2.0), sides=12),
        Part("needle", 0.25, (0.2, 0.4)),
    ),
    "lattice tower": (
        Part("lattice", (0.35, 0.6), 1, repeat=[3, 4, 5]),
        Part("crown", 0.2, (0.08, 0.2)),
    ),
    "wheel": (Part("wheel", (0.8, 1.0), 1, 0.2, repeat=[8, 10, 12, 16]),),
    "windmill": (
        Part(["slab", "block"], (0.45, 0.65), (0.03, 0.2)),
        Part("sails", (1.5, 2.1), (0.75, 0.95), 0.1, at="front", beside=True, repeat=[3, 4, 4, 6], turn=(0, 1.5)),
        Part("slope", (0.7, 0.8), (0.5, 0.65), sides=[4, 6, 8]),
        Part("crown", 1.1, (0.15, 0.25), sides=8),
    ),
    "statue": (
        Part(["block", "slope"], (0.3, 0.55), (0.2, 0.6), cover="front", sides=0),
        Part("slab", 1.1, 0.05),
        Part("arm", (0.5, 0.7), (0.4, 0.6), at="front"),
        Part("figure", (0.5, 0.7), (0.4, 0.6), sides=8),
    ),
    "column": (
        Part("slab", (0.4, 0.7), (0.1, 0.2), repeat=[1, 2, 3], shrink=0.8),
        Part("shaft", (0.25, 0.4), (0.6, 0.9), None, ["stone", "wall accent"], sides=0, repeat=[3, 4, 5]),
        Part(["crown", "figure", "cupola"], 1.4, (0.15, 0.3), sides=8),
    ),
}
OVER_WATER = ("viaduct", "suspension bridge")
