"""The plans name only shapes, places and covers that exist."""

from typing import Any

import pytest

from glr.demo.beams import BEAMS
from glr.demo.buildings import CROWNS, KINDS, OVER_WATER, PLACES, SHAPES, Part
from glr.demo.ornament import COVERS

COLOURS = {"wall", "trim", "roof", "accent", "glass"}


def parts(value: Any) -> list[Part]:
    """Every part that a plan may have."""
    if isinstance(value, list | tuple):
        return [part for each in value for part in parts(each)]
    return [value] if isinstance(value, Part) else []


def choices(value: Any) -> set[str]:
    return {each for each in (value if isinstance(value, list) else [value]) if each is not None}


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_names_what_exists(kind: str):
    for part in parts(KINDS[kind]):
        assert choices(part.shape) <= {*SHAPES, *BEAMS, "arcade", "crown"}
        assert choices(part.top) <= {*SHAPES, "crown"}
        assert choices(part.at) <= set(PLACES)
        assert {word for words in choices(part.cover) for word in words.split()} <= {*COVERS, *COLOURS}


def test_silhouettes_rise_from_foot_to_tip():
    for covers, silhouette in SHAPES.values():
        heights = [corner[1] for corner in silhouette]
        assert (heights[0], heights[-1]) == (0, 1)
        assert heights == sorted(heights)
        assert set(covers.split()) <= {*COVERS, *COLOURS}
    assert {*CROWNS} <= set(SHAPES)
    assert {*OVER_WATER} <= set(KINDS)
