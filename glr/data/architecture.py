"""Architecture: the kinds of landmark, each a plan whose proportions and parts are drawn anew for every building."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from glr.data.site import Site


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


def gate(s: Site) -> None:
    """A triumphal arch: one to three openings, an attic and what stands on it."""
    width, depth, height = s.between(0.7, 1.1), s.between(0.2, 0.4), s.between(0.4, 0.8)
    z = s.arcade((0, 0, 0), (width, depth, height), s.pick(1, 1, 2, 3), s.between(0.35, 0.65), s.between(0.6, 0.9))
    z = s.block((0, 0, z), (width * 1.08, depth * 1.2, 0.06), s.plain("trim"))
    attic = s.between(0.08, 0.25)
    z = s.block((0, 0, z), (width * s.between(0.6, 1.0), depth, attic), [s.style.stone])
    top = s.pick("bare", "statue", "gable", "towers")
    if top == "statue":
        z = s.block((0, 0, z), (0.2, 0.15, 0.08), s.plain("accent"))
        s.crown((0, 0, z), 0.16, 0.2, kind="bell", sides=8, covers=s.plain("accent"))
    elif top == "gable":
        s.gable((0, 0, z), (width * 1.08, depth * 1.1, s.between(0.12, 0.3)), along=s.pick("x", "y"))
    for x in (-1, 1) if top == "towers" else ():
        s.crown((x * width * 0.25, 0, z), s.between(0.14, 0.22), s.between(0.15, 0.35), sides=8)


def viaduct(s: Site) -> None:
    """A bridge on arches, in one storey or two, some with towers at its ends."""
    depth, openings = s.between(0.15, 0.3), s.pick(2, 3, 4, 5)
    height = s.between(0.3, 0.5)
    share, rise = s.between(0.6, 0.82), s.between(0.7, 0.88)
    z = s.arcade((0, 0, 0), (1.3, depth, height), openings, share, rise)
    if s.pick(True, False, False):
        z = s.arcade((0, 0, z), (1.3, depth * 0.7, height * 0.5), openings * s.pick(1, 2), share, 0.75)
    z = s.block((0, 0, z), (1.4, depth * 1.2, 0.05), s.plain("accent"))
    if s.pick(True, True, False):
        tower, tall = s.between(0.1, 0.18), s.between(0.15, 0.4)
        for x in s.pick((-0.6, 0.6), (0,), (-0.25, 0.25)):
            s.tower(x, 0, tower, tall, s.between(0.1, 0.2), z=z)


def suspension(s: Site) -> None:
    """A bridge hung from towers: cables in curves, or straight as a harp."""
    height, deck, towers = s.between(0.5, 0.95), s.between(0.12, 0.3), s.pick((-0.4, 0.4), (0.0,), (-0.4, 0.4))
    wide, curved = s.between(0.06, 0.13), len(towers) == 2 and s.pick(True, True, False)
    s.block((0, 0, deck), (1.6, 0.2, 0.06), s.plain("trim"), top="trim")
    for x in towers:
        for y in (-0.16, 0.16):
            s.block((x, y, 0), (wide, 0.1, height), [s.style.stone], taper=s.between(0.6, 1.0))
        for z in (0.6, 0.9):
            s.block((x, 0, deck + 0.06 + z * (height - deck - 0.08)), (wide, 0.22, 0.05), s.plain("wall"))
        if s.crown_kind in ("spire", "onion", "flared"):
            s.crown((x, -0.16, height), wide * 1.2, 0.15)
    if curved:
        at = np.linspace(-0.8, 0.8, 17)
        dip = np.where(np.abs(at) < 0.4, (at / 0.4) ** 2, 2 - np.abs(at) / 0.4)
        up = deck + 0.1 + dip * (height - deck - 0.1)
        for (a, b), (low, high) in zip(pairwise(at), pairwise(up), strict=True):
            s.strut((a, -0.16, low), (b, -0.16, high), 0.025, "accent")
            s.strut((a, -0.16, deck), (a, -0.16, low), 0.014, "accent")
    for x in towers if not curved else ():
        reach = 0.38 if len(towers) == 2 else 0.75
        for side in (-1, 1):
            for share in (0.3, 0.55, 0.8, 1.0):
                top = (x, -0.16, height * (0.6 + 0.4 * share) - 0.02)
                s.strut((x + side * reach * share, -0.16, deck), top, 0.016, "accent")


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


def lighthouse(s: Site) -> None:
    """A slender shaft with galleries: upright or leaning, a hut at its foot."""
    width, taper, sides = s.between(0.2, 0.34), s.between(0.55, 1.0), s.pick(4, 8, 12)
    storeys, lean = s.pick(1, 3, 4, 6), s.pick(0.0, 0.0, s.between(0.06, 0.14))
    z, x, height = 0.0, 0.0, s.between(0.6, 0.9)
    stripes = s.plain("wall", "accent") if s.pick(True, False) else None
    step = taper ** (1 / storeys)
    for i in range(storeys):
        covers = [stripes[i % 2]] if stripes and storeys > 1 else [s.style.walls]
        size = (width, width, height / storeys)
        z = s.block((x, 0, z), size, covers, sides=sides, taper=step, lean=lean / storeys)
        x, width = x + lean / storeys, width * step
        if storeys == 3:
            z = s.block((x, 0, z), (width * 1.25, width * 1.25, 0.03), s.plain("trim"), sides=sides)
    z = s.block((x, 0, z), (width * 1.45, width * 1.45, 0.05), s.plain("trim"), sides=sides)
    z = s.block((x, 0, z), (width * 0.75, width * 0.75, 0.1), [s.style.front("none", 0.6)], sides=sides)
    s.crown((x, 0, z), width, s.between(0.08, 0.25), sides=sides)
    if s.pick(True, False):
        hut = s.between(0.2, 0.35)
        side = s.pick(-1, 1) * (0.2 + hut / 2)
        s.block((side, 0, 0), (hut, 0.25, 0.15))
        s.gable((side, 0, 0.15), (hut, 0.27, 0.12), along=s.pick("x", "y"))


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
        slope = (width - across[-1]) / 2
        foot, depth = -width / 2 - 0.06, slope
        profile = np.array([(foot - 0.02, 0), (foot + depth, height), (foot + depth, height * 0.98), (foot + 0.03, 0)])
        del profile  # a stair that follows the slope would cut the steps; it stands in front instead
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


def mast(s: Site) -> None:
    """A television tower: legs or a shaft, pods strung on it, an antenna."""
    width, pods = s.between(0.08, 0.16), s.pick(1, 1, 2, 3)
    legs, z = s.pick(0, 0, 3, 4), s.between(0.2, 0.4)
    for i in range(legs):
        turn = 2 * np.pi * (i + 0.5) / legs
        s.strut((0.25 * np.cos(turn), 0.25 * np.sin(turn), 0), (0, 0, z), 0.07, "wall")
    if not legs:
        z = s.block((0, 0, 0), (width * 2, width * 2, z), [s.style.stone], sides=8, taper=0.5)
    for pod in range(pods):
        z = s.block((0, 0, z), (width, width, s.between(0.1, 0.25)), s.plain("wall"), sides=8, taper=0.9)
        across, tall = s.between(0.22, 0.42) * (0.75 if pod else 1), s.between(0.08, 0.2)
        profile = s.pick([(0.4, 1), (1, 0.4)], [(0.5, 1), (1, 1), (1, 0.5)], [(1, 1)], [(0.6, 1), (1, 0.6)])
        for low, high in profile:
            covers = s.pick(s.plain("roof"), s.plain("accent"), [s.style.walls])
            size = (across * low, across * low, tall / len(profile))
            z = s.block((0, 0, z), size, covers, sides=12, taper=high / low, top="accent")
    z = s.block((0, 0, z), (width * 0.7, width * 0.7, 0.1), s.plain("wall"), sides=8, taper=0.6)
    for stripe in range(4):
        z = s.block((0, 0, z), (0.035, 0.035, s.between(0.04, 0.08)), s.plain(("accent", "trim")[stripe % 2]))


def lattice(s: Site) -> None:
    """Four legs of iron that meet on high, with platforms between."""
    width, curve, colour = s.between(0.35, 0.6), s.between(0.8, 2.2), s.pick("wall", "roof")
    levels = s.pick(4, 5)
    platforms = s.rng.choice(np.arange(1, levels), s.pick(1, 2), replace=False)
    heights = np.linspace(0, 1, levels + 1) ** 0.9
    spans = width / 2 * (1 - heights) ** curve * 0.95 + 0.03
    bar = s.between(0.04, 0.065)
    for i, ((low, high), (span, after)) in enumerate(zip(pairwise(heights), pairwise(spans), strict=True)):
        for x, y in ((-1, 1), (1, 1), (-1, -1), (1, -1)):
            s.strut((x * span, y * span, low), (x * after, y * after, high), bar * (1 - low / 2), colour)
        for y in (1, -1):
            s.strut((-span, y * span, low), (after, y * after, high), bar * 0.5, colour)
            s.strut((span, y * span, low), (-after, y * after, high), bar * 0.5, colour)
        if i in platforms:
            s.block((0, 0, low - 0.03), (span * 2.7, span * 2.7, 0.06), s.plain("accent"), top="accent")
    s.crown((0, 0, 1), 0.12, s.between(0.08, 0.2), covers=s.plain("accent"))


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


def wheel(s: Site) -> None:
    """A Ferris wheel on its legs."""
    spokes, radius, bar = s.pick(8, 10, 12, 16), s.between(0.38, 0.46), s.between(0.025, 0.05)
    hub = radius + s.between(0.1, 0.2)
    turns = np.arange(spokes + 1) * 2 * np.pi / spokes
    rim = [(radius * np.cos(t), 0.0, hub + radius * np.sin(t)) for t in turns]
    inner = [(0.7 * x, 0.0, hub + 0.7 * (z - hub)) for x, _, z in rim]
    for x in (-1, 1):
        s.strut((x * radius * 0.6, 0.12, 0), (0, 0.12, hub), bar * 1.8, "wall")
    double = s.pick(True, False)
    for i, (a, b) in enumerate(pairwise(rim)):
        s.strut(a, b, bar, "roof")
        s.strut((0, 0, hub), a, bar * 0.6, "trim")
        if double:
            s.strut(inner[i], inner[i + 1], bar * 0.7, "roof")
    cabin = s.between(0.07, 0.11)
    for i, (x, _, z) in enumerate(rim[:-1]):
        s.block((x, -cabin, z - cabin), (cabin, cabin, cabin), s.plain(("accent", "wall")[i % 2]))
    for x in (-1, 1):
        s.strut((x * radius * 0.6, -0.2, 0), (0, -0.2, hub), bar * 1.8, "wall")
    s.block((0, 0.2, 0), (radius * 1.7, 0.2, s.between(0.05, 0.12)), s.plain("roof"))


def windmill(s: Site) -> None:
    """A tapered mill with four or six sails, standing on a base."""
    width, height, sides = s.between(0.35, 0.5), s.between(0.5, 0.7), s.pick(4, 6, 8)
    z = s.block((0, 0, 0), (width * 1.3, width * 1.3, s.between(0.05, 0.2)), s.front(0.3), sides=sides)
    z = s.block((0, 0, z), (width, width, height), sides=sides, taper=s.between(0.55, 0.75))
    s.crown((0, 0, z), width * 0.75, s.between(0.15, 0.25), kind=s.pick("dome", "spire", "stump", "bell"), sides=sides)
    blades, reach, first = s.pick(4, 4, 6, 3), s.between(0.38, 0.5), s.between(0, 1.5)
    at, y = z - 0.02, -width * 0.72
    for blade in range(blades):
        turn = first + 2 * np.pi * blade / blades
        along, across = np.array([np.cos(turn), 0, np.sin(turn)]), np.array([-np.sin(turn), 0, np.cos(turn)])
        start = np.array([0, y, at])
        s.strut(tuple(start), tuple(start + along * reach), 0.03, "roof")
        s.strut(
            tuple(start + along * 0.12 + across * 0.05), tuple(start + along * reach + across * 0.05), 0.075, "accent"
        )


def shells(s: Site) -> None:
    """Vaulted sails, one behind the other, on a podium."""
    count, width = s.pick(2, 3, 4), s.between(0.3, 0.5)
    z = s.block((0, 0, 0), (1.3, 0.6, s.between(0.08, 0.2)))
    x, direction = -0.55, s.pick(1, -1)
    for i in range(count):
        tall, wide = s.between(0.3, 0.7), width * s.between(0.7, 1.0)
        mid, step = x + wide / 2, 1.15 / count
        tip = np.array([mid + direction * wide * 0.45, 0, z + tall])
        ring = np.array(
            [
                (mid - wide / 2, -0.25, z),
                (mid + wide / 2, -0.25, z),
                (mid + wide / 2, 0.25, z),
                (mid - wide / 2, 0.25, z),
            ]
        )
        waist = (ring + (direction * wide * 0.12, 0, tall * 0.55)) * (1, 0.75, 1)
        waist[:, 0] = mid + direction * wide * 0.12 + (waist[:, 0] - mid - direction * wide * 0.12) * 0.75
        covers = (
            s.plain("roof", "glass") if s.ribbed else s.plain(("roof", "accent")[i % 2 if count > 2 else 0], "glass")
        )
        for low, high in ((ring, waist), (waist, np.repeat(tip[None], 4, 0))):
            from glr.data.solid import loft

            s.bodies.append(loft(low, high, covers, None))
        x += step


def statue(s: Site) -> None:
    """A figure on a pedestal, one arm raised."""
    base, tall = s.between(0.3, 0.55), s.between(0.2, 0.5)
    z = s.block((0, 0, 0), (base * 1.4, base * 1.4, 0.07), s.plain("trim"))
    z = s.block((0, 0, z), (base, base, tall), s.front(0.3), sides=s.sides, taper=s.between(0.7, 1.0))
    z = s.block((0, 0, z), (base * 0.9, base * 0.9, 0.04), s.plain("trim"))
    figure, wide = s.between(0.4, 0.6), s.between(0.2, 0.32)
    z = s.block((0, 0, z), (wide, wide * 0.8, figure * 0.55), s.plain("roof"), sides=8, taper=0.55)
    z = s.block((0, 0, z), (wide * 0.55, wide * 0.5, figure * 0.25), s.plain("roof"), sides=8, taper=1.4)
    head = wide * 0.45
    side = s.pick(-1, 1)
    hand = (side * wide * s.between(0.5, 1.2), -0.03, z + figure * s.between(0.2, 0.5))
    s.strut((side * wide * 0.33, 0, z - 0.06), hand, 0.06, "roof")
    s.block((hand[0], hand[1], hand[2]), (0.08, 0.08, 0.1), s.plain("accent"), sides=8, taper=s.pick(0.2, 1.5))
    s.crown((0, 0, z), head, head * 1.3, kind="dome", sides=8, covers=s.plain("roof"))
    if s.pick(True, False):
        s.strut((-side * wide * 0.4, -0.02, z - 0.05), (-side * wide * 0.9, -0.08, z - 0.25), 0.05, "roof")


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


KINDS = (
    church, church, domed, domed, pagoda, skyscraper, skyscraper, castle, castle, gate, viaduct, suspension, temple,
    lighthouse, pyramid, onions, mast, lattice, terrace, wheel, windmill, shells, statue, clock_tower,
)  # fmt: skip
