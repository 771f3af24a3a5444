"""Landmarks with rooms: each kind a plan whose proportions and parts are drawn anew for every building."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from glr.data.demo.site import Site


def church(s: Site) -> None:
    """A nave with its towers: a pair, one in front, one beside, or one over the crossing."""
    width, length, wall, roof = s.between(0.35, 0.6), s.between(0.4, 0.9), s.between(0.25, 0.5), s.between(0.12, 0.35)
    tower, tall, crown = s.between(0.17, 0.3), s.between(0.5, 1.0), s.between(0.12, 0.55)

    def nave(y: float, depth: float) -> None:
        s.block((0, y, 0), (width, depth, wall), s.front())
        s.gable((0, y, wall), (width * 1.06, depth, roof))

    plan = s.pick("pair", "front", "side", "crossing")
    if plan == "crossing":
        wide = tower * 1.4
        nave(-(length + wide) / 2, length)
        s.tower(0, 0, wide, tall, crown)
        nave(length / 4 + wide / 2, length / 2)
        return
    nave(0, length)
    if plan == "front":
        s.block((0, -(length + tower) / 2, 0), (tower, tower, tall), s.front(0.45))
        s.crown((0, -(length + tower) / 2, tall), tower, crown, sides=s.pick(4, 8))
    for side in {"pair": (-1, 1), "side": (s.pick(-1, 1),), "front": ()}[plan]:
        s.tower(side * (width + tower * 1.06) / 2, -length / 2 + tower / 2, tower, tall, crown)


def domed(s: Site) -> None:
    """A block under a dome, with cupolas on it and slender towers beside it."""
    width, depth, height = s.between(0.6, 1.1), s.between(0.4, 0.7), s.between(0.25, 0.5)
    drum, dome = s.between(0.3, 0.55), s.between(0.25, 0.5)
    kind = s.pick("dome", "onion", "bell", "dome")
    z = s.block((0, 0, 0), (width, depth, height), s.front(s.between(0.12, 0.3)))
    middle = s.block((0, 0, z), (drum, drum, s.between(0.05, 0.25)), [s.style.stone], sides=12)
    tip = s.crown((0, 0, middle), drum, dome, kind=kind, sides=12)
    s.block((0, 0, tip - 0.02), (0.03, 0.03, 0.1), s.plain("accent"))
    cupola = s.pick(0, min(0.22, (width - drum) / 2.4))
    for x in (-1, 1) if cupola > 0.05 else ():
        at = s.block((x * (width - cupola) / 2, 0, z), (cupola * 0.8, cupola * 0.8, cupola * 0.5), sides=8)
        s.crown((x * (width - cupola) / 2, 0, at), cupola * 0.9, cupola * 0.9, kind=kind, sides=8)
    slim, tall = s.between(0.07, 0.12), s.between(0.7, 1.3)
    for x, y in s.pick([], [(-1, -1), (1, -1)], [(-1, -1), (1, -1), (-1, 1), (1, 1)]):
        place = x * (width / 2 + slim), y * (depth / 2 + slim)
        at = s.block((*place, 0), (slim, slim, tall * 0.7), [s.style.stone], sides=8)
        at = s.block((*place, at), (slim * 1.6, slim * 1.6, 0.05), s.plain("trim"), sides=8)
        at = s.block((*place, at), (slim * 0.7, slim * 0.7, tall * 0.15), [s.style.stone], sides=8)
        s.crown((*place, at), slim, tall * 0.15, sides=8)


def pagoda(s: Site) -> None:
    """Storeys that shrink upwards, each under a wide roof."""
    tiers, sides = s.pick(2, 3, 4, 5, 6), s.pick(4, 4, 6, 8)
    width, shrink, storey = s.between(0.35, 0.7), s.between(0.76, 0.95), s.between(0.1, 0.22)
    eaves, roof, flare = s.between(1.35, 1.9), s.between(0.07, 0.16), s.between(0.5, 0.75)
    z = s.block((0, 0, 0), (width * 1.7, width * 1.7, s.between(0.04, 0.15)), s.plain("trim"))
    for _ in range(tiers):
        z = s.block((0, 0, z), (width, width, storey), sides=sides)
        at = width * eaves
        z = s.block((0, 0, z), (at, at, roof * 0.4), [s.style.roofing], sides=sides, taper=flare, top="accent")
        z = s.block((0, 0, z), (at * flare, at * flare, roof * 0.6), [s.style.roofing], sides=sides, taper=0.6)
        width, storey = width * shrink, storey * s.pick(1, 1, 0.9)
    s.crown((0, 0, z), width * 0.35, s.between(0.1, 0.35), kind=s.pick("spire", "onion", "lantern"), sides=8)


def castle(s: Site) -> None:
    """A keep or a gatehouse between towers, all with the same battlements or roofs."""
    tower, keep, spread = s.between(0.18, 0.32), s.between(0.25, 0.5), s.between(0.45, 0.7)
    high, low = s.between(0.45, 0.9), s.between(0.25, 0.6)
    roofed, battlement = s.pick(True, False), s.between(0.06, 0.12)

    def top(x: float, y: float, z: float, width: float, sides: int, crown: float) -> None:
        z = s.block((x, y, z), (width * 1.2, width * 1.2, battlement), s.plain("trim"), sides=sides)
        if roofed:
            s.crown((x, y, z), width * 1.2, crown, kind=s.crown_kind, sides=sides)
            return
        for i, j in (
            ((-1, -1), (1, -1), (-1, 1), (1, 1), (0, -1), (0, 1)) if sides == 4 else ((-0.8, 0), (0, -0.8), (0.8, 0))
        ):
            at = (x + i * width * 0.5, y + j * width * 0.5, z)
            s.block(at, (width * 0.22, width * 0.22, battlement * 0.8), s.plain("trim"))

    z = s.block((0, 0, 0), (keep, keep, high), s.front(0.4))
    top(0, 0, z, keep, 4, s.between(0.15, 0.4))
    crown = s.between(0.15, 0.45)
    heights = [low, low] if s.pick(True, True, False) else [low, low * s.between(0.5, 0.8)]
    for x, tall in zip((-1, 1), heights, strict=True):
        z = s.block((x * spread, -0.1, 0), (tower, tower, tall), sides=s.sides)
        top(x * spread, -0.1, z, tower, s.sides, crown)
        gap = spread - keep / 2 * 1.2 - tower / 2 * 1.2
        if gap > 0.02:
            middle = x * (keep / 2 + (spread - tower / 2)) / 2
            s.block((middle, 0, 0), (spread - tower / 2 - keep / 2, 0.1, low * 0.5))


def temple(s: Site) -> None:
    """Columns on steps under a pediment, a flat roof or a dome."""
    width, depth = s.between(0.7, 1.1), s.between(0.4, 0.8)
    z = 0.0
    for step in range(s.pick(1, 2, 3)):
        z = s.block((0, 0, z), (width * (1.2 - step * 0.06), depth * (1.2 - step * 0.06), 0.05), s.plain("trim"))
    columns, tall, thick = s.pick(4, 5, 6, 8), s.between(0.3, 0.55), s.between(0.04, 0.08)
    s.block((0, 0.08, z), (width * 0.75, depth * 0.65, tall), s.front(0.25))
    for y in (-1, 1):
        for x in np.linspace(-1, 1, columns):
            at = (x * (width - thick) / 2, y * (depth - thick) / 2, z)
            s.block(at, (thick, thick, tall), s.plain("trim"), sides=6, taper=0.85)
    z = s.block((0, 0, z + tall), (width * 1.04, depth * 1.04, s.between(0.05, 0.12)), [s.style.stone])
    top = s.pick("gable", "gable", "dome", "stack")
    if top == "gable":
        s.gable((0, 0, z), (width * 1.08, depth * 1.04, s.between(0.12, 0.3)))
    elif top == "dome":
        z = s.block((0, 0, z), (width * 0.5, width * 0.5, 0.1), [s.style.stone], sides=12)
        s.crown((0, 0, z), width * 0.5, s.between(0.2, 0.35), kind=s.pick("dome", "bell"), sides=12)
    else:
        z = s.block((0, 0, z), (width * 0.6, depth * 0.6, s.between(0.1, 0.3)))
        s.gable((0, 0, z), (width * 0.66, depth * 0.65, 0.15), along="x")


def pyramid(s: Site) -> None:
    """Steps or slopes up to a shrine or a tip."""
    levels, width, height = s.pick(1, 3, 4, 6), s.between(0.9, 1.2), s.between(0.4, 0.7)
    peak = 0.02 if s.pick(True, False) and levels == 1 else s.between(0.2, 0.4)
    z, across = 0.0, np.linspace(width, peak * width, levels + 1)
    for low, high in pairwise(across):
        taper = high / low if levels == 1 else 0.97
        covers = [s.style.stone] if s.pick(True, False) or levels == 1 else s.plain("wall")
        z = s.block((0, 0, z), (low, low, height / levels), covers, taper=taper)
    if peak > 0.1:
        wide = peak * width * 0.8
        z = s.block((0, 0, z), (wide, wide, s.between(0.1, 0.25)), s.front(0.4))
        s.crown((0, 0, z), wide * 1.1, s.between(0.08, 0.3))
    stair = s.pick(0.0, s.between(0.1, 0.25))
    if stair:
        foot = -width / 2 - 0.06  # in front: a stair along the slope would cut the steps
        s.block((0, foot, 0), (stair, 0.12, height / max(levels, 2)), s.plain("accent"), top="accent")


def onions(s: Site) -> None:
    """A cluster of drums under bulbous domes, the tallest in the middle."""
    count, width = s.pick(3, 3, 5), s.between(0.22, 0.3)
    base = s.between(0.15, 0.35)
    s.block((0, 0, 0), (width * 3.4, width * 2.2, base), s.front(0.15))
    middle, side = s.between(0.35, 0.55), s.between(0.1, 0.3)
    kind = s.pick("onion", "onion", "bell")
    pairs = [("roof", "accent"), ("accent", "trim"), ("roof", "trim"), ("accent", "accent"), ("roof", "roof")]
    places = [(0, 0), (-1.1, 0), (1.1, 0), (-0.6, -0.8), (0.6, -0.8)][:count]
    for i, (x, y) in enumerate(places):
        across = width * (1.05 if i == 0 else 0.75)
        at = (x * width, y * width)
        z = s.block((*at, base), (across, across, middle if i == 0 else side), sides=8)
        z = s.crown((*at, z), across * 1.1, across * 1.5, kind=kind, sides=12, covers=s.plain(*s.pick(*pairs)))
        s.block((*at, z), (0.02, 0.02, 0.08), s.plain("accent"))


def terrace(s: Site) -> None:
    """A row of gabled houses in different colours."""
    count, depth = s.pick(2, 3, 4, 5), s.between(0.3, 0.5)
    widths = s.rng.uniform(0.2, 0.4, count)
    x, kind = -widths.sum() / 2, s.pick("gable", "step", "tower")
    colours = ["wall", "trim", "accent", "wall", "trim"][s.pick(0, 1) :]
    flat = s.style
    for i, width in enumerate(widths):
        s.style = replace(flat, wall=getattr(flat, colours[i % len(colours)]), trim=flat.glass)
        middle, height = x + width / 2, s.between(0.4, 0.8)
        s.block((middle, 0, 0), (width, depth, height), s.front(0.3))
        if kind == "gable" or i % 2:
            s.gable((middle, 0, height), (width, depth, s.between(0.12, 0.3)), along="y")
        elif kind == "step":
            for share in (0.8, 0.55, 0.3):
                height = s.block((middle, 0, height), (width * share, depth, 0.07), s.plain("wall"))
        else:
            s.crown((middle, 0, height), width, s.between(0.15, 0.4), sides=4)
        x += width
    s.style = flat


def clock_tower(s: Site) -> None:
    """A square shaft with a wide clock storey, a belfry and a steep roof; a hall beside it, or none."""
    width, tall, sill = s.between(0.2, 0.32), s.between(0.45, 0.75), s.between(1.05, 1.4)
    z = s.block((0, 0, 0), (width, width, tall))
    z = s.block(
        (0, 0, z), (width * sill, width * sill, width * sill), [s.style.front(s.pick("round", "diamond"), 0.001)]
    )
    z = s.block((0, 0, z), (width * 1.5, width * 1.5, 0.04), s.plain("trim"))
    if s.pick(True, False):
        z = s.block((0, 0, z), (width * 0.8, width * 0.8, s.between(0.08, 0.2)))
    s.crown((0, 0, z), width * 1.1, s.between(0.15, 0.5), sides=s.pick(4, 8))
    for side in s.pick((), (1,), (-1,), (-1, 1)):
        wing, low = s.between(0.25, 0.5), s.between(0.15, 0.4)
        s.block((side * (width + wing) / 2, 0, 0), (wing, width * 1.2, low))
        s.gable((side * (width + wing) / 2, 0, low), (wing, width * 1.3, s.between(0.08, 0.2)), along="x")


def skyscraper(s: Site) -> None:
    """Setbacks of one plan, straight, tapered or twisted, under a crown."""
    levels, sides = s.pick(1, 2, 3, 4), s.pick(4, 4, 4, 3, 6, 12)
    width, shrink, taper = s.between(0.25, 0.5), s.between(0.6, 0.85), s.between(0.75, 1.0)
    twist = s.pick(0, 0, 0, s.between(0.15, 0.4))
    steps = 6 if twist else levels
    z, turn, shares = 0.0, 0.0, s.rng.dirichlet(np.full(steps, 6.0))
    if s.pick(True, False):
        z = s.block((0, 0, 0), (width * 1.7, width * 1.3, s.between(0.06, 0.18)))
    for share in shares:
        z = s.block((0, 0, z), (width, width, float(share)), sides=sides, taper=taper, turn=turn)
        width, turn = width * taper * (0.97 if twist else shrink), turn + twist
    top = s.pick("needle", "crown", "slab", "masts")
    width /= shrink
    if top == "crown":
        s.crown((0, 0, z), width, s.between(0.1, 0.3), sides=sides)
    elif top == "slab":
        s.block((0, 0, z), (width * 1.5, width * 1.1, s.between(0.05, 0.12)), s.plain("accent"), top="accent")
    for x in {"needle": (0,), "masts": (-0.3, 0.3)}.get(top, ()):
        s.block((x * width, 0, z), (0.04, 0.04, s.between(0.15, 0.35)), s.plain("accent"), taper=0.3)


KINDS = (
    church,
    church,
    domed,
    domed,
    pagoda,
    castle,
    castle,
    temple,
    pyramid,
    onions,
    terrace,
    clock_tower,
    skyscraper,
    skyscraper,
)
