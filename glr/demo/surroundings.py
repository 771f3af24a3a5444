"""Surroundings: the backdrop of a landmark, the ground below it, and things around and in front of it."""

import numpy as np

from glr.demo.canvas import Canvas, colours, outline
from glr.demo.things import BACKDROPS, CLOUDS, INDOORS, OUTDOORS, THINGS, Group
from glr.demo.weather import LAMP, Light, fall

SNOW, WATER = 0, 1
GROUNDS = colours("ebf0f7 406b85 578c38 bdb3a3 d6bd8a 5c5c61 806142")  # from 2 on: grass, plaza, sand, asphalt, earth
GREENS = colours("296124 4d7a29 1a4729 b86b1f e69eb8")
PAINTS = ("pane", "lamp", "skin", "dark", "bark", "white", "glass", "a", "b", "wall", "tiles", "leaf")
FIXED = colours("404550 b0b0b0 cc9978 262626 4d3321 ebebeb 404550")  # colours of the first seven paints


def _built(name: str) -> tuple[np.ndarray, list[int], list[int]]:
    """Return a thing's corners [P, 2], and each piece's number of corners [F] and paint [F]."""
    outlines = [outline(shape, *box) for _, shape, *box in THINGS[name]]
    lengths, paints = ([len(points) for points in outlines], [PAINTS.index(paint) for paint, *_ in THINGS[name]])
    return np.concatenate(outlines), lengths, paints


_BUILT = {name: _built(name) for name in THINGS}


def landscape(canvas: Canvas, light: Light, horizon: float, water: bool, rng: np.random.Generator) -> None:
    """Draw sky, ground and the backdrop where they meet, at the row `horizon`."""
    _sky(canvas, light, min(max(horizon, 1.0), canvas.height * 1.5), rng)
    for i in np.sort(rng.choice(len(BACKDROPS), rng.integers(0, 4), replace=False)):
        scatter(canvas, light, horizon, BACKDROPS[i], rng)
    _ground(canvas, light, max(horizon, 0.0), water, rng)


def _sky(canvas: Canvas, light: Light, bottom: float, rng: np.random.Generator) -> None:
    canvas.gradient(0, bottom + 1, light.sky_top, light.sky_low)
    stars = light.lamps == 1
    boxes = rng.random((rng.integers(40) if stars else int(rng.random() < 0.3 - light.fog), 4))
    boxes *= (canvas.width, bottom, 0, 0)
    boxes[:, 2:] = 1.0 if stars else canvas.height * rng.uniform(0.06, 0.14)  # else the sun
    canvas.copies("round", boxes, light.sun * 1.5 + 0.4)
    scatter(canvas, light, bottom, CLOUDS, rng)


def _ground(canvas: Canvas, light: Light, top: float, water: bool, rng: np.random.Generator) -> None:
    kind = WATER if water and rng.random() < 0.7 else rng.integers(1, len(GROUNDS))
    kind = SNOW if light.falls == "snow" and rng.random() < 0.8 else kind
    lit = GROUNDS[kind] * rng.uniform(0.85, 1.15, 3) * (light.ambient + light.sun * max(0.2, light.direction[2]))
    lit = (lit + light.sky_low) / 2 if kind == WATER else lit
    canvas.gradient(top, canvas.height, light.hazed(lit, 3.0), light.hazed(lit, 0.4))
    streaks, flat = (22, 0.02) if kind == WATER else (8, 0.1)
    x, near, long, shade = rng.random((4, streaks, 1))
    size = canvas.width * (0.1 + 0.5 * long) * (0.3 + near) * (1, flat)
    middle = np.concatenate([x * canvas.width, top + near * (canvas.height - top)], 1)
    shades = light.hazed(lit * (0.75 + 0.45 * shade), 1.0)
    canvas.copies("round", np.concatenate([middle - size / 2, size], 1), shades)
    if kind != WATER and rng.random() < 0.4:  # a path
        left, wide = canvas.width * rng.uniform((0.0, 0.2), (0.7, 0.8))
        box = np.array([[left, canvas.height, wide, top - canvas.height]])
        canvas.copies("triangle", box, light.hazed(lit * rng.uniform(0.6, 1.4), 1.0))


def elsewhere(canvas: Canvas, light: Light, rng: np.random.Generator) -> None:
    """Draw a place without a landmark: a street, nature or a room."""
    horizon = canvas.height * rng.uniform(0.3, 0.65)
    inside = rng.random() < 0.4
    if inside:
        wall, floor = rng.uniform(0.1, 0.9, (2, 3))
        canvas.gradient(0, horizon, wall, wall * 0.8)
        canvas.gradient(horizon, canvas.height, floor * 0.8, floor)
    else:
        landscape(canvas, light, horizon, False, rng)
    for group in INDOORS if inside else OUTDOORS[rng.integers(len(OUTDOORS))]:
        scatter(canvas, light, horizon, group, rng)
    if not inside:
        fall(canvas, light, rng)


def scatter(canvas: Canvas, light: Light, horizon: float, group: Group, rng: np.random.Generator) -> None:
    """Draw a group's things from the farthest to the nearest; towards the horizon (a row) they are smaller."""
    horizon, names = min(horizon, 0.95 * canvas.height), group.names.split()
    foot = np.sort(rng.uniform(*group.foot, rng.integers(group.number[0], group.number[1] + 1)))
    count, scale = len(foot), np.where(foot < 0, 1.0, 0.15 + 0.85 * foot)
    if not count:
        return
    things = [_BUILT[names[i]] for i in rng.integers(len(names), size=count)]
    aside = rng.uniform(np.minimum(group.aside * scale, 1.0), 1.1) * rng.choice([-0.5, 0.5], count)
    rows = horizon + foot * np.where(foot > 0, canvas.height - horizon, horizon)
    places = np.stack([(0.5 + aside) * canvas.width, rows], 1)
    tall = canvas.height * scale * rng.uniform(*group.height, count)
    sizes = np.stack([tall * rng.uniform(0.8, 1.25, count), -tall], 1)
    points = [points * size + place for (points, _, _), size, place in zip(things, sizes, places, strict=True)]
    lengths, paints = (np.concatenate([thing[i] for thing in things]) for i in (1, 2))

    muted = rng.uniform(0.3, 0.9, (count, 2, 1)) * rng.uniform(0.8, 1.2, (count, 2, 3)) * ((1, 1, 1), (0.9, 0.55, 0.5))
    green = GREENS[rng.integers(len(GREENS), size=(count, 1))]
    own = np.concatenate([np.tile(FIXED, (count, 1, 1)), rng.random((count, 2, 3)), muted, green], 1)
    owner = np.repeat(np.arange(count), [len(thing[2]) for thing in things])
    shades = light.on(own[owner, paints] * rng.uniform(0.9, 1.1, (len(paints), 1)), group.distance)
    lit = (paints < 2) & (rng.random(len(paints)) < 0.7)
    shades[lit] = np.maximum(shades[lit], light.hazed(light.lamps * LAMP, group.distance))
    canvas.facets(np.concatenate(points), np.cumsum(lengths), shades, np.arange(len(paints)))
