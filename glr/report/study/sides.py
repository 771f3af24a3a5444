"""What changed sides: the queries that one run answers better than another by most, and those that both miss."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from glr.report.study.analysis import Metric
from glr.retrieval.metrics import RECOGNITION_METRICS
from glr.retrieval.outcomes import NEAREST, floats


@dataclass(frozen=True)
class Answer:
    """A run's outcome of a query.

    Attributes:
        value: its AP; 1 or 0 if the metric is one of recognition: right or wrong.
        nearest: ids of the nearest index images, at most five, the nearest first.
        similarities: their similarities to the query.
        first_rank: rank, from 1, of the first right image; None if the run ranked none, or retrieval is not scored.
        predicted: the predicted class; None if recognition is not scored.
        confidence: the confidence of the predicted class.
    """

    value: float
    nearest: Sequence[str]
    similarities: Sequence[float]
    first_rank: int | None
    predicted: str | None
    confidence: float | None


@dataclass(frozen=True)
class Query:
    """A query and how two runs answer it."""

    id: str
    answers: tuple[Answer, Answer]


@dataclass(frozen=True)
class Sides:
    """Two runs query by query.

    Attributes:
        won: the queries that the first run answers better by most, the largest difference first.
        lost: likewise those that the second answers better.
        missed: queries for which neither run has a right image among its five nearest, or the right class.
        counts: number of all queries that are won, lost and missed.
        recognition: the runs are compared by right and wrong classes, not by AP.
    """

    won: Sequence[Query]
    lost: Sequence[Query]
    missed: Sequence[Query]
    counts: tuple[int, int, int]
    recognition: bool


def sides(first: pa.Table, second: pa.Table, metric: Metric, each: int = 6) -> Sides:
    """Compare two runs' outcomes (`glr.retrieval.outcomes.SCHEMA`) on the queries that both answered.

    Args:
        first, second: the outcomes.
        metric: determines the usage; `gap` and `top1_accuracy` compare right and wrong, others AP.
        each: number of queries of each kind to return.
    """
    usage, _, name = metric.rpartition("/")
    recognition = name in RECOGNITION_METRICS
    tables = _shared(*(_measured(table, usage, recognition) for table in (first, second)))
    values = [floats(table, "right" if recognition else "ap") for table in tables]
    sure = [np.nan_to_num(floats(table, "confidence")) for table in tables]
    failed = [
        value == 0 if recognition else ~(floats(table, "first_rank") <= NEAREST)
        for table, value in zip(tables, values, strict=True)
    ]
    gained = values[0] - values[1]
    chosen, counts = [], []
    # If differences are equal, the query on which the better run is surer comes first.
    for rows, by, then in (
        (np.flatnonzero(gained > 0), -gained, -sure[0]),
        (np.flatnonzero(gained < 0), gained, -sure[1]),
        (np.flatnonzero(failed[0] & failed[1]), values[0] + values[1], -sure[0] - sure[1]),
    ):
        counts.append(len(rows))
        chosen.append(_queries(tables, rows[np.lexsort((then[rows], by[rows]))][:each], values))
    return Sides(*chosen, counts=tuple(counts), recognition=recognition)


def _measured(table: pa.Table, usage: str, recognition: bool) -> pa.Table:
    """Keep a usage's queries that the metric measures."""
    kept = pc.equal(pc.utf8_lower(table["usage"]), usage.lower())
    kept = pc.and_(kept, pc.fill_null(table["shown"], False) if recognition else pc.is_valid(table["ap"]))
    return table.filter(kept)


def _shared(first: pa.Table, second: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Keep the queries that both tables have, in order of id."""
    first = first.filter(pc.is_in(first["id"], second["id"].combine_chunks())).sort_by("id")
    second = second.filter(pc.is_in(second["id"], first["id"].combine_chunks())).sort_by("id")
    return first, second


def _queries(tables: Sequence[pa.Table], rows: np.ndarray, values: Sequence[np.ndarray]) -> list[Query]:
    answers = [
        [_answer(outcome, float(value[row])) for outcome, row in zip(table.take(rows).to_pylist(), rows, strict=True)]
        for table, value in zip(tables, values, strict=True)
    ]
    ids = tables[0]["id"].take(rows).to_pylist()
    return [Query(name, pair) for name, pair in zip(ids, zip(*answers, strict=True), strict=True)]


def _answer(outcome: dict[str, Any], value: float) -> Answer:
    near, similarities = outcome["nearest"] or [], outcome["similarities"] or []
    first_rank, predicted, confidence = (outcome[name] for name in ("first_rank", "class", "confidence"))
    return Answer(value, near, similarities, first_rank, predicted, confidence)
