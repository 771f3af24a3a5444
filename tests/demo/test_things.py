"""Things are made of known outlines and paints; groups name things that exist."""

import pytest

from glr.demo.canvas import OUTLINES
from glr.demo.surroundings import PAINTS
from glr.demo.things import BACKDROPS, CLOUDS, INDOORS, NEIGHBOURS, OCCLUDERS, OUTDOORS, THINGS


@pytest.mark.parametrize("name", THINGS)
def test_a_thing_is_made_of_what_can_be_drawn(name: str):
    assert {piece[0] for piece in THINGS[name]} <= set(PAINTS)
    assert {piece[1] for piece in THINGS[name]} <= set(OUTLINES)
    assert all(width > 0 and height > 0 for *_, width, height in THINGS[name])


def test_groups_name_things_and_no_thing_is_left_out():
    groups = [CLOUDS, NEIGHBOURS, *BACKDROPS, *OCCLUDERS, *INDOORS, *(group for place in OUTDOORS for group in place)]
    assert {name for group in groups for name in group.names.split()} == set(THINGS)
    assert all(low <= high for group in groups for low, high in (group.number, group.height, group.foot))


def test_windows_lie_within_their_wall():
    for name, count in (("flats", 15), ("house", 6)):
        left, low, width, height = next(box for paint, _, *box in THINGS[name] if paint == "wall")
        panes = [box for paint, _, *box in THINGS[name] if paint == "pane"]
        assert len(panes) == count
        assert all(left < x and x + wide < left + width for x, _, wide, _ in panes)
        assert all(low < y and y + high < low + height for _, y, _, high in panes)
