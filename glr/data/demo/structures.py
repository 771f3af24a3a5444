"""Landmarks without rooms: bridges, gates, masts, mills and monuments, each drawn anew from its kind's plan."""

from itertools import pairwise

import numpy as np

from glr.data.demo.site import Site
from glr.data.demo.solid import loft


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


KINDS = (gate, viaduct, suspension, lighthouse, mast, lattice, wheel, windmill, shells, statue)
