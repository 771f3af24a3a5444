"""Galleries of plain images, whose pixels are known."""

import numpy as np
import pytest

from glr.report.gallery import QueryResults, Result

GREY = 128


def plain(height: int, width: int, shade: int = GREY) -> np.ndarray:
    return np.full((height, width, 3), shade, np.uint8)


def entry(group: str, query: str, right: str, **known: int | None) -> QueryResults:
    """A query whose results are right (+) or wrong (-)."""
    results = [Result(f"{query}{rank}", 0.9 - rank / 50, sign == "+", plain(40, 60)) for rank, sign in enumerate(right)]
    return QueryResults(group, query, right.count("+") / 10, plain(90, 50), results, **known)


@pytest.fixture
def entries() -> list[QueryResults]:
    """Three groups, four queries, 10 results each: 13 right, 27 wrong."""
    return [
        entry("worst", "w", "----------", relevant=3, first_right=57),
        entry("median", "m1", "+-+-------", relevant=2),
        entry("median", "m2", "--+-------", relevant=1),
        entry("best", "b", "++++++++++", relevant=1234),
    ]
