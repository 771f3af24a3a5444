"""The queries that changed sides, as a page shows them: both top fives side by side, with pictures where they are."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from glr.config.printing import counted
from glr.html.thumbnail import Thumbnail, thumbnail
from glr.report.study.album import Album
from glr.report.study.analysis import Analysis
from glr.report.study.answer import ranked, rivals
from glr.report.study.sides import Answer, Query, sides
from glr.tracking.history import PastRun

_EACH = 4  # queries of each kind
_MISSED = 5  # right images that both miss


class Picture(NamedTuple):
    """An index image or a query: its id, its image (None: not at hand), and what a result has beside it.

    Attributes:
        right: True if it is right; None if unknown.
        similarity: to the query.
    """

    id: str
    image: Thumbnail | None
    right: bool | None = None
    similarity: float | None = None


class ShownAnswer(NamedTuple):
    """One run's answer: its value in words, and its nearest images."""

    run: str
    value: str
    nearest: Sequence[Picture]


class ShownQuery(NamedTuple):
    """A query, both answers, and right images that neither has among its nearest."""

    query: Picture
    answers: Sequence[ShownAnswer]
    missed: Sequence[Picture]


@dataclass(frozen=True)
class Shown:
    """The section: the two runs, and for each kind of query a heading with some of its queries."""

    runs: tuple[str, str]
    groups: Mapping[str, Sequence[ShownQuery]]
    pictures: bool


def shown(analysis: Analysis, outcomes: Mapping[str, pa.Table], album: Album | None) -> Shown | None:
    """Compare the first seeds of the two configurations that the answer is about; None: outcomes are missing."""
    pair = first_runs(analysis, outcomes)
    if pair is None:
        return None
    names, runs = pair
    changed = sides(outcomes[runs[0].id], outcomes[runs[1].id], analysis.metric, _EACH)
    titles = [
        f"{names[0]} answers better than {names[1]}",
        f"{names[1]} answers better than {names[0]}",
        "Both miss",
    ]
    groups = {}
    for title, queries, count in zip(titles, (changed.won, changed.lost, changed.missed), changed.counts, strict=True):
        heading = f"{title}: {counted(count, 'query', 'queries')}"
        groups[heading] = [_query(query, names, album, recognition=changed.recognition) for query in queries]
    described = tuple(f"{name} ({run.name})" for name, run in zip(names, runs, strict=True))
    return Shown((described[0], described[1]), groups, album is not None)


def first_runs(
    analysis: Analysis, outcomes: Mapping[str, pa.Table]
) -> tuple[tuple[str, str], tuple[PastRun, PastRun]] | None:
    """Return the names of the configurations that the answer is about, and a run of each, of one seed if possible."""
    if analysis.baseline is None or not any(row.difference for row in ranked(analysis)):
        return None
    rows = rivals(analysis)
    first, second = ([run for run in row.configuration.finished if run.id in outcomes] for row in rows)
    pairs = [(one, other) for one in first for other in second]
    if not pairs:
        return None
    same = [pair for pair in pairs if pair[0].params.get("seed") == pair[1].params.get("seed")]
    return (rows[0].configuration.name, rows[1].configuration.name), (same or pairs)[0]


def _query(query: Query, names: Sequence[str], album: Album | None, *, recognition: bool) -> ShownQuery:
    right = None if album is None else album.right(query.id)
    answers = [
        ShownAnswer(
            name, _value(answer, recognition=recognition), _nearest(answer, right, album, recognition=recognition)
        )
        for name, answer in zip(names, query.answers, strict=True)
    ]
    seen = {name for answer in query.answers for name in answer.nearest}
    missing = [] if right is None else sorted(set(right) - seen)[:_MISSED]
    image = None if album is None else _small(album.query(query.id))
    missed = [Picture(name, None if album is None else _small(album.index(name)), True) for name in missing]
    return ShownQuery(Picture(query.id, image), answers, missed)


def _nearest(
    answer: Answer, right: AbstractSet[str] | None, album: Album | None, *, recognition: bool
) -> list[Picture]:
    pictures = []
    for rank, (name, similarity) in enumerate(zip(answer.nearest, answer.similarities, strict=False), start=1):
        if right is not None:
            is_right = name in right
        elif recognition or (answer.first_rank is not None and rank > answer.first_rank):
            is_right = None  # outcomes tell only which is the first right one
        else:
            is_right = rank == answer.first_rank
        image = None if album is None else _small(album.index(name))
        pictures.append(Picture(name, image, is_right, similarity))
    return pictures


def _value(answer: Answer, *, recognition: bool) -> str:
    if recognition:
        confidence = "" if answer.confidence is None else f", confidence {answer.confidence:.3f}"
        return f"{'right' if answer.value else 'wrong'}: class {answer.predicted}{confidence}"
    first = f"first right at rank {answer.first_rank}" if answer.first_rank else "none right"
    return f"AP {answer.value:.3f}, {first}"


def _small(image: np.ndarray | None) -> Thumbnail | None:
    return None if image is None else thumbnail(image)
