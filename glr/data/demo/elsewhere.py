"""Elsewhere: photos without a landmark, of streets, nature, things and rooms."""

import numpy as np

from glr.data.demo.canvas import Canvas
from glr.data.demo.surroundings import GREENS, backdrop, car, ground, house, occlude, person, sky, tree
from glr.data.demo.weather import LAMP, Light


def street(canvas: Canvas, light: Light, rng: np.random.Generator) -> None:
    """Houses on both sides of a road that runs to a point."""
    width, height = canvas.width, canvas.height
    horizon, middle = height * rng.uniform(0.4, 0.6), width * rng.uniform(0.35, 0.65)
    sky(canvas, light, horizon, rng)
    backdrop(canvas, light, horizon, rng)
    ground(canvas, light, horizon, False, rng)
    for near in np.geomspace(0.12, 1.0, 6):
        for side in (-1, 1):
            wide, tall = width * 0.35 * near, height * rng.uniform(0.35, 0.8) * near
            x = middle + side * width * 0.6 * near - (wide if side < 0 else 0)
            house(
                canvas, light, (x, horizon + height * 0.4 * near), (wide, tall), rng, 2 - near, bool(rng.random() < 0.5)
            )
    for _ in range(rng.integers(0, 4)):
        car(
            canvas, light, (rng.random() * width, height * rng.uniform(0.75, 0.98)), height * rng.uniform(0.2, 0.4), rng
        )
    occlude(canvas, light, height * 0.85, rng)


def nature(canvas: Canvas, light: Light, rng: np.random.Generator) -> None:
    """Hills or a shore, with trees."""
    horizon = canvas.height * rng.uniform(0.25, 0.75)
    sky(canvas, light, horizon, rng)
    for _ in range(2):
        backdrop(canvas, light, horizon, rng)
    ground(canvas, light, horizon, bool(rng.random() < 0.5), rng)
    for y in np.sort(rng.uniform(horizon, canvas.height, rng.integers(0, 9))):
        tall = canvas.height * (0.1 + 0.9 * (y - horizon) / canvas.height) * rng.uniform(0.5, 1.2)
        tree(canvas, light, (rng.random() * canvas.width, y), tall, rng, 0.8)


def still_life(canvas: Canvas, light: Light, rng: np.random.Generator) -> None:
    """Things on a table: balls, boxes, bottles, plates."""
    width, height = canvas.width, canvas.height
    edge = height * rng.uniform(0.3, 0.6)
    wall, wood = rng.random((2, 3)) * 0.8 + 0.1
    canvas.gradient(0, edge, wall, wall * 0.8)
    canvas.gradient(edge, height, wood * 0.8, wood)
    for y in np.sort(rng.uniform(edge * 1.1, height * 0.98, rng.integers(1, 6))):
        x, size, colour = rng.random() * width, height * rng.uniform(0.1, 0.3), rng.random(3)
        kind = rng.choice(["ball", "box", "bottle", "plate", "flower"])
        canvas.disc(x + size * 0.2, y, size * 0.9, wood * 0.6, 0.2)
        if kind == "ball":
            canvas.disc(x, y - size * 0.7, size * 0.7, colour)
            canvas.disc(x - size * 0.2, y - size * 0.95, size * 0.2, colour * 0.5 + 0.5)
        elif kind == "box":
            canvas.rectangle(x - size * 0.6, y - size, x + size * 0.6, y, colour)
            canvas.rectangle(x - size * 0.6, y - size * 0.6, x + size * 0.6, y - size * 0.4, 1 - colour)
        elif kind == "bottle":
            canvas.rectangle(x - size * 0.3, y - size * 1.2, x + size * 0.3, y, colour * 0.7)
            canvas.rectangle(x - size * 0.1, y - size * 1.8, x + size * 0.1, y - size * 1.2, colour * 0.5)
        elif kind == "plate":
            canvas.disc(x, y - size * 0.2, size, np.full(3, 0.92), 0.4)
            canvas.disc(x, y - size * 0.25, size * 0.6, colour, 0.4)
        else:
            canvas.line([(x, y), (x, y - size * 1.5)], GREENS[0], 3)
            for turn in np.arange(6) * np.pi / 3:
                canvas.disc(
                    x + size * 0.3 * np.cos(turn), y - size * 1.5 - size * 0.3 * np.sin(turn), size * 0.22, colour
                )
            canvas.disc(x, y - size * 1.5, size * 0.2, LAMP)
    del light


def room(canvas: Canvas, light: Light, rng: np.random.Generator) -> None:
    """A room: walls, a window, pictures, furniture, perhaps somebody in it."""
    width, height = canvas.width, canvas.height
    far = np.array([width * rng.uniform(0.15, 0.3), height * rng.uniform(0.1, 0.25)])
    right, bottom = width - width * rng.uniform(0.15, 0.3), height * rng.uniform(0.6, 0.75)
    wall, floor = rng.random((2, 3)) * 0.7 + 0.2
    canvas.rectangle(0, 0, width, height, wall * 0.75)
    canvas.polygon(np.array([(0, height), (far[0], bottom), (right, bottom), (width, height)]), floor)
    canvas.polygon(np.array([(0, 0), far, (right, far[1]), (width, 0)]), np.full(3, 0.85))
    canvas.rectangle(far[0], far[1], right, bottom, wall)
    for _ in range(rng.integers(1, 4)):
        x, y = rng.uniform(far[0], right * 0.85), rng.uniform(far[1], bottom * 0.6)
        w, h = width * rng.uniform(0.08, 0.25), height * rng.uniform(0.1, 0.3)
        canvas.rectangle(x - 2, y - 2, x + w + 2, y + h + 2, wall * 0.4)
        canvas.rectangle(x, y, x + w, y + h, light.sky_low if rng.random() < 0.5 else rng.random(3))
    for _ in range(rng.integers(1, 4)):
        x, w, h = rng.random() * width, width * rng.uniform(0.15, 0.4), height * rng.uniform(0.1, 0.25)
        y, colour = rng.uniform(bottom, height), rng.random(3)
        canvas.rectangle(x - w / 2, y - h, x + w / 2, y, colour)
        canvas.rectangle(x - w / 2, y - h * 1.3, x - w / 3, y, colour * 0.7)
        canvas.rectangle(x + w / 3, y - h * 1.3, x + w / 2, y, colour * 0.7)
    if rng.random() < 0.5:
        person(canvas, light, (rng.random() * width, height * 1.05), height * rng.uniform(0.5, 0.8), rng)


PLACES = (street, street, nature, still_life, room)
