"""A gallery: a run's worst, median and best queries, with their results."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from glr.config.printing import counted
from glr.errors import GlrError


@dataclass(frozen=True)
class Result:
    """A retrieved index image.

    Attributes:
        image_id: its id.
        score: its similarity to the query.
        relevant: True if it is right.
        image: uint8 RGB [H, W, 3].
    """

    image_id: str
    score: float
    relevant: bool
    image: np.ndarray


@dataclass(frozen=True)
class Missed:
    """A right index image below the results.

    Attributes:
        image_id: its id.
        rank: its rank, from 1; None: it is not among the neighbours of the query.
        image: uint8 RGB [H, W, 3].
    """

    image_id: str
    rank: int | None
    image: np.ndarray


@dataclass(frozen=True)
class QueryResults:
    """A query and its results.

    Attributes:
        group: worst, median or best.
        query_id: its id.
        average_precision: its AP, in 0..1.
        image: uint8 RGB [H, W, 3].
        results: best first.
        relevant: the number of right index images, found or not; None if unknown.
        first_right: the rank, from 1, of the first right image, if known; used if no result is right.
        missed: some right images that are not among the results, those of the best ranks first.
    """

    group: str
    query_id: str
    average_precision: float
    image: np.ndarray
    results: list[Result]
    relevant: int | None = None
    first_right: int | None = None
    missed: tuple[Missed, ...] = ()

    @property
    def facts(self) -> list[str]:
        """Short lines to read beside the images."""
        shown = len(self.results)
        first = next((rank for rank, result in enumerate(self.results, start=1) if result.relevant), self.first_right)
        missed = f"none right in the top {shown}" if shown else "no results"
        place = f"first right at rank {first}" if first else missed
        if self.relevant is None:
            return [place]
        return [counted(self.relevant, "relevant image"), place]

    @property
    def missed_in_words(self) -> str:
        """The heading of the missed images: `5 of 8 right images that were missed`, if some are not shown."""
        every = (self.relevant or 0) - sum(result.relevant for result in self.results)
        some = f"{len(self.missed)} of {every:,} " if every > len(self.missed) else ""
        return f"{some}right images that were missed"


def choose(precisions: Mapping[str, float], each: int) -> list[tuple[str, str]]:
    """Choose the queries with the worst AP, the AP around the median, and the best AP.

    Queries of equal AP are ordered by id. No query is chosen twice. If there are fewer than 3 * `each` queries, all are
    chosen, a third for each group.

    Args:
        precisions: AP by query.
        each: queries in a group.

    Returns:
        (group, query): the worst, from the worst on; the median, ascending; the best, from the best on.

    Raises:
        GlrError: there are no queries.

    Examples:
        >>> choose({"a": 0.1, "b": 0.9, "c": 0.5, "d": 0.4, "e": 0.6}, each=1)
        [('worst', 'a'), ('median', 'c'), ('best', 'b')]
    """
    if not precisions:
        raise GlrError("no query has a relevant image, so there is no gallery to draw")
    sizes = [min(each, (len(precisions) + more) // 3) for more in (2, 0, 1)]
    ascending = sorted(precisions, key=lambda query: (precisions[query], query))
    worst, others = ascending[: sizes[0]], ascending[sizes[0] :]
    best = sorted(others, key=lambda query: (-precisions[query], query))[: sizes[2]]
    between = [query for query in others if query not in set(best)]
    first = (len(between) - sizes[1]) // 2
    groups = {"worst": worst, "median": between[first : first + sizes[1]], "best": best}
    return [(group, query) for group, queries in groups.items() for query in queries]


def check_entries(entries: list[QueryResults]) -> None:
    """Refuse an empty gallery.

    Raises:
        GlrError: there are no entries.
    """
    if not entries:
        raise GlrError("there are no queries to draw in the gallery")
