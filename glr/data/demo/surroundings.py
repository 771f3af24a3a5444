"""Surroundings: what lies behind a landmark, the ground that it stands on, and what gets in its way."""

import numpy as np

from glr.data.demo.canvas import Canvas
from glr.data.demo.weather import LAMP, Light

GROUNDS = {
    "plaza": (0.74, 0.70, 0.64),
    "grass": (0.34, 0.55, 0.22),
    "water": (0.25, 0.42, 0.52),
    "sand": (0.84, 0.74, 0.54),
    "asphalt": (0.36, 0.36, 0.38),
    "earth": (0.50, 0.38, 0.26),
    "snow": (0.92, 0.94, 0.97),
}
GREENS = np.array([(0.16, 0.38, 0.14), (0.30, 0.48, 0.16), (0.10, 0.28, 0.16), (0.72, 0.42, 0.12), (0.90, 0.62, 0.72)])


def sky(canvas: Canvas, light: Light, horizon: float, rng: np.random.Generator) -> None:
    """Draw sky, sun or stars, and clouds down to the horizon (a row)."""
    width, height = canvas.width, canvas.height
    canvas.gradient(0, horizon + 1, light.sky_top, light.sky_low)
    if light.lamps == 1:
        for x, y in rng.random((rng.integers(0, 40), 2)):
            canvas.disc(x * width, y * horizon, 0.5, np.full(3, 0.75))
    if rng.random() < 0.3 and light.fog < 0.3:
        colour = np.clip(light.sun * 1.5 + 0.4, 0, 1)
        canvas.disc(rng.random() * width, rng.random() * horizon, height * rng.uniform(0.03, 0.07), colour)
    bright = rng.uniform(0.3, 1.0) * (np.ones(3) - light.sky_low) * min(1.0, light.ambient.mean() * 2)
    for _ in range(rng.choice([0, 1, 3, 6])):
        x, y, size = rng.random() * width, rng.random() * horizon, height * rng.uniform(0.04, 0.14)
        for _ in range(4):
            dx, dy = rng.normal(0, 1.1), rng.normal(0, 0.12)
            canvas.disc(x + dx * size, y + dy * size, size * rng.uniform(0.5, 1.2), light.sky_low + bright, 0.4)


def backdrop(canvas: Canvas, light: Light, horizon: float, rng: np.random.Generator) -> None:
    """Draw what stands at the horizon: hills, mountains, a town, a wood or nothing."""
    kind = rng.choice(["hills", "mountains", "town", "towers", "wood", "nothing"])
    width, height = canvas.width, canvas.height
    if kind in ("hills", "mountains"):
        layers = rng.integers(1, 4)
        colour = np.array([(0.30, 0.42, 0.28), (0.40, 0.38, 0.45), (0.55, 0.45, 0.32)])[rng.integers(3)]
        for layer in range(layers):
            x = np.linspace(0, width, 25)
            share = 0.12 + 0.3 * rng.random() * (layers - layer) / layers
            waves = sum(np.sin(x / width * f + rng.uniform(0, 6.3)) / f for f in (3, 6, 11))
            if kind == "mountains":
                waves = waves + 0.35 * rng.random(len(x))
            ridge = horizon - height * share * (0.5 + waves)
            outline = np.concatenate(
                [[(0, horizon + 2)], np.stack([x, np.minimum(ridge, horizon)], 1), [(width, horizon + 2)]]
            )
            canvas.polygon(outline, light.on(colour * rng.uniform(0.7, 1.1), 4 - layer))
    elif kind in ("town", "towers"):
        tall, left = (0.18, 0.0) if kind == "town" else (0.5, 0.0)
        while left < width:
            across = width * rng.uniform(0.05, 0.16)
            house(
                canvas,
                light,
                (left, horizon + 1),
                (across, height * tall * rng.uniform(0.3, 1.0)),
                rng,
                2.5,
                kind == "town",
            )
            left += across * rng.uniform(0.9, 1.5)
    elif kind == "wood":
        colour, size = GREENS[rng.integers(4)], height * rng.uniform(0.03, 0.09)
        for x in np.arange(0, width, size):
            canvas.disc(
                x, horizon - size * 0.5, size * rng.uniform(0.7, 1.3), light.on(colour * rng.uniform(0.7, 1.1), 2.5)
            )


def house(
    canvas: Canvas,
    light: Light,
    foot: tuple[float, float],
    size: tuple[float, float],
    rng: np.random.Generator,
    distance: float,
    roofed: bool,
) -> None:
    """Draw an ordinary house from the left end of its foot up; pixels."""
    (x, y), (width, height) = foot, size
    wall = rng.uniform(0.3, 0.9) * (1 + rng.uniform(-0.2, 0.2, 3))
    if roofed:
        roof = np.array(
            [
                (x - 1, y - height),
                (x + width / 2, y - height - width * rng.uniform(0.2, 0.5)),
                (x + width + 1, y - height),
            ]
        )
        canvas.polygon(roof, light.on(wall * (0.8, 0.45, 0.4), distance))
    canvas.rectangle(x, y - height, x + width, y, light.on(wall, distance))
    columns, rows = int(rng.integers(2, 5)), max(1, min(6, int(height / width * 3)))
    dark, lamp = light.on(wall * 0.45, distance), light.hazed(light.lamps * LAMP, distance)
    for row, column in np.ndindex(rows, columns):
        left, top = x + width * (column + 0.3) / columns, y - height * (row + 0.75) / rows
        pane = np.maximum(dark, lamp) if rng.random() < 0.6 else dark
        canvas.rectangle(left, top, left + width * 0.4 / columns, top + height * 0.45 / rows, pane)


def ground(canvas: Canvas, light: Light, horizon: float, water: bool, rng: np.random.Generator) -> np.ndarray:
    """Draw the ground below the horizon (a row), and return its colour [3] at the landmark."""
    names = [name for name in GROUNDS if name != "snow"]
    name = "snow" if light.falls == "snow" and rng.random() < 0.8 else str(rng.choice(names))
    name = "water" if water and rng.random() < 0.7 else name
    colour = np.array(GROUNDS[name]) * rng.uniform(0.85, 1.15, 3)
    top, width = max(horizon, 0.0), canvas.width
    lit = colour * (light.ambient + light.sun * max(0.2, light.direction[2]))
    if name == "water":
        lit = 0.5 * lit + 0.5 * light.sky_low
    near = light.hazed(lit, 0.4)
    canvas.gradient(top, canvas.height, light.hazed(lit, 3.0), near)
    depth = canvas.height - top
    for _ in range({"water": 22, "grass": 12, "plaza": 6}.get(name, 4)):
        share = rng.random() ** 1.5
        y, x = top + depth * share, rng.random() * width
        long = width * rng.uniform(0.05, 0.3) * (0.3 + share)
        shade = light.hazed(lit * rng.uniform(0.75, 1.2), 1.5 - share)
        if name in ("grass", "earth", "snow", "sand"):
            canvas.disc(x, y, long, shade, 0.12)
        else:
            canvas.line([(x - long, y), (x + long, y)], shade, 1 + 1.5 * share)
    if name in ("plaza", "asphalt", "grass") and rng.random() < 0.5:
        at, shade = rng.uniform(0.2, 0.8) * width, light.hazed(lit * rng.uniform(0.6, 1.4), 1.0)
        spread = width * rng.uniform(0.1, 0.4)
        x = rng.uniform(0, 1) * width
        canvas.polygon(
            np.array([(at - 2, top), (at + 2, top), (x + spread, canvas.height), (x - spread, canvas.height)]), shade
        )
    return light.hazed(lit, 1.0)


def tree(
    canvas: Canvas, light: Light, foot: tuple[float, float], height: float, rng: np.random.Generator, distance: float
) -> None:
    """Draw a tree: a crown of discs, a cone or a palm; foot and height in pixels."""
    (x, y), kind = foot, rng.choice(["crown", "crown", "cone", "bare"])
    green = GREENS[rng.integers(len(GREENS))] * rng.uniform(0.8, 1.2)
    canvas.line(
        [(x, y), (x, y - height * 0.5)], light.on(np.array([0.30, 0.20, 0.13]), distance), max(1.0, height * 0.06)
    )
    if kind == "crown":
        for _ in range(8):
            dx, dy = rng.normal(0, 0.13, 2)
            shade = light.on(green * rng.uniform(0.75, 1.25), distance)
            canvas.disc(x + dx * height, y - height * (0.66 + dy), height * rng.uniform(0.1, 0.2), shade)
    elif kind == "cone":
        for low, wide in ((0.15, 0.28), (0.4, 0.22), (0.65, 0.15)):
            outline = np.array(
                [
                    (x - wide * height, y - low * height),
                    (x + wide * height, y - low * height),
                    (x, y - (low + 0.36) * height),
                ]
            )
            canvas.polygon(outline, light.on(green * rng.uniform(0.8, 1.2), distance))
    else:
        bark = light.on(np.array([0.25, 0.18, 0.13]), distance)
        for _ in range(9):
            start, turn, long = (
                y - height * rng.uniform(0.35, 0.6),
                rng.uniform(-1.2, 1.2),
                height * rng.uniform(0.2, 0.42),
            )
            canvas.line([(x, start), (x + long * np.sin(turn), start - long * np.cos(turn))], bark, height * 0.02)


def person(canvas: Canvas, light: Light, foot: tuple[float, float], height: float, rng: np.random.Generator) -> None:
    """Draw somebody standing there; foot and height in pixels."""
    (x, y), clothes = foot, rng.random((2, 3))
    canvas.rectangle(x - height * 0.09, y - height * 0.48, x + height * 0.09, y, light.on(clothes[0] * 0.6, 0.4))
    canvas.disc(x, y - height * 0.62, height * 0.15, light.on(clothes[1], 0.4), 1.6)
    canvas.disc(
        x, y - height * 0.92, height * 0.085, light.on(np.array([0.8, 0.6, 0.47]) * rng.uniform(0.5, 1.1), 0.4), 1.2
    )


def car(canvas: Canvas, light: Light, foot: tuple[float, float], length: float, rng: np.random.Generator) -> None:
    """Draw a car from the side; the middle of its foot and its length in pixels."""
    (x, y), paint = foot, light.on(rng.random(3), 0.4)
    body = np.array(
        [(-0.5, 0.06), (0.5, 0.06), (0.5, 0.2), (0.3, 0.24), (0.18, 0.38), (-0.25, 0.38), (-0.38, 0.24), (-0.5, 0.22)]
    )
    canvas.polygon(np.array([x, y]) + body * (length, -length), paint)
    glass = np.array([(0.24, 0.24), (0.15, 0.35), (-0.22, 0.35), (-0.3, 0.24)])
    canvas.polygon(np.array([x, y]) + glass * (length, -length), light.on(np.full(3, 0.25), 0.4))
    for side in (-0.3, 0.3):
        canvas.disc(x + side * length, y - 0.07 * length, 0.08 * length, np.full(3, 0.06))


def occlude(canvas: Canvas, light: Light, foot: float, rng: np.random.Generator) -> None:
    """Draw what stands between the camera and a landmark whose foot is in this row, mostly to its sides."""
    width, height = canvas.width, canvas.height
    for kind in rng.choice(
        ["tree", "people", "pole", "car", "railing", "leaves", "bust", "flags"],
        rng.choice([0, 0, 1, 1, 2]),
        replace=False,
    ):
        y = max(foot, height * 0.6) + rng.uniform(0.0, 0.15) * height
        side = rng.choice([rng.uniform(0, 0.3), rng.uniform(0.7, 1.0), rng.random()]) * width
        if kind == "tree":
            for _ in range(rng.integers(1, 4)):
                tree(canvas, light, (side, y), height * rng.uniform(0.2, 0.5), rng, 0.5)
                side = (side + width * rng.uniform(0.4, 0.8)) % width
        elif kind == "people":
            for _ in range(rng.integers(2, 9)):
                tall = height * rng.uniform(0.1, 0.25)
                person(canvas, light, (rng.random() * width, min(y + tall * 0.3, height + tall * 0.3)), tall, rng)
        elif kind == "pole":
            top, thick, dark = (
                height * rng.uniform(0.1, 0.5),
                height * rng.uniform(0.01, 0.025),
                light.on(np.full(3, 0.2), 0.3),
            )
            canvas.rectangle(side - thick / 2, top, side + thick / 2, height, dark)
            canvas.disc(side, top, thick * 2.2, np.maximum(dark * 2, light.lamps * LAMP))
        elif kind == "car":
            for _ in range(rng.integers(1, 3)):
                car(
                    canvas,
                    light,
                    (rng.random() * width, min(y + height * 0.04, height * 0.99)),
                    height * rng.uniform(0.25, 0.45),
                    rng,
                )
        elif kind == "railing":
            top, dark, gap = (
                height * rng.uniform(0.78, 0.9),
                light.on(rng.random(3) * 0.4, 0.3),
                width * rng.uniform(0.03, 0.08),
            )
            canvas.rectangle(0, top, width, top + height * 0.02, dark)
            for x in np.arange(gap * rng.random(), width, gap):
                canvas.rectangle(x, top, x + width * 0.012, height, dark)
        elif kind == "leaves":
            green, corner = GREENS[rng.integers(4)], rng.choice([0, width])
            for _ in range(25):
                dx, dy = np.abs(rng.normal(0, 0.16, 2))
                shade = light.on(green * rng.uniform(0.5, 1.2), 0.2)
                canvas.disc(abs(corner - dx * width), dy * height, height * rng.uniform(0.015, 0.05), shade)
        elif kind == "bust":
            person(canvas, light, (side, height * 1.35), height * rng.uniform(0.6, 0.8), rng)
        else:
            colour = rng.random((3, 3))
            for i in range(8):
                x, shade = width * (i + 0.2) / 8, light.on(colour[i % 3], 0.3)
                sag = height * (0.04 + 0.05 * np.sin(np.pi * (i + 0.5) / 8))
                canvas.polygon(
                    np.array([(x, sag), (x + width * 0.09, sag), (x + width * 0.045, sag + height * 0.09)]), shade
                )
