"""Architecture: kinds of landmark, each a plan whose proportions, parts and materials are drawn for one building."""

from collections.abc import Callable, Sequence

import numpy as np

from glr.data.ornament import Style
from glr.data.solid import Cover, Face, loft

# Silhouettes of what crowns a tower: (radius, height) from the foot to the tip, both as shares.
CROWNS = {
    "dome": [(1, 0), (0.95, 0.35), (0.75, 0.68), (0.42, 0.9), (0, 1)],
    "onion": [(0.75, 0), (1.1, 0.2), (1.05, 0.4), (0.5, 0.65), (0.15, 0.8), (0, 1)],
    "spire": [(1, 0), (0, 1)],
    "flared": [(1.25, 0), (0.7, 0.25), (0.25, 0.65), (0, 1)],
    "bell": [(1, 0), (0.9, 0.3), (0.4, 0.5), (0.3, 0.7), (0, 1)],
    "stump": [(1.15, 0), (0.6, 1)],
    "lantern": [(1, 0), (0.5, 0.3), (0.4, 0.3), (0.4, 0.65), (0.55, 0.65), (0, 1)],
    "battlements": [(1.2, 0), (1.2, 1)],
}


class Site:
    """A building site: bodies are set on it one by one, in the style of its landmark. x right, y away, z up."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.style = Style.draw(rng)
        self.bodies: list[list[Face]] = []
        self.turn = 0.0
        self.crown_kind = self.pick(*CROWNS)
        self.round = self.pick(4, 4, 8, 12)  # sides of its towers
        self.centre = self.pick("round", "round", "diamond", "cross", "none")

    def pick(self, *choices):
        """One of the choices."""
        return choices[self.rng.integers(len(choices))]

    def between(self, low: float, high: float) -> float:
        """A number between two."""
        return float(self.rng.uniform(low, high))

    def colours(self, *names: str) -> list[Cover]:
        """Plain covers in the style's colours."""
        return [self.style.solid(getattr(self.style, name)) for name in names]

    def block(
        self,
        x: float,
        y: float,
        z: float,
        size: tuple[float, float, float],
        covers: Sequence[Cover] | None = None,
        *,
        sides: int = 4,
        taper: float = 1.0,
        turn: float = 0.0,
        lean: tuple[float, float] = (0.0, 0.0),
        top: str = "trim",
    ) -> float:
        """An upright body around (x, y); its height's end is returned.

        Args:
            x: of its middle, as y.
            y: of its middle.
            z: of its foot.
            size: width, depth and height.
            covers: of the sides in turn, the front one first; the style's walls if None.
            sides: 4, or how many a round one has.
            taper: its top's size as a share of its foot's.
            turn: radians about the vertical.
            lean: how far its top stands from above its foot.
            top: the colour of its top.
        """
        angles = np.pi * (2 * np.arange(sides) / sides - 0.5 - 1 / sides)
        ring = np.stack([np.cos(angles), np.sin(angles)], 1) / (np.sqrt(2) if sides > 4 else 1) * np.sqrt(0.5)
        if sides > 4:
            ring *= np.sqrt(2)
        cos, sin = np.cos(turn), np.sin(turn)
        ring = (ring * size[:2]) @ np.array([[cos, sin], [-sin, cos]])
        low = np.column_stack([ring + (x, y), np.full(sides, z)])
        high = np.column_stack([ring * taper + (x + lean[0], y + lean[1]), np.full(sides, z + size[2])])
        self.bodies.append(loft(low, high, covers or [self.style.walls], self.colours(top)[0]))
        return z + size[2]
