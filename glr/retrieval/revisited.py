"""The protocol of revisited Oxford and Paris: their ground truth, read safely, and mAP and mP@k at three difficulties.

Source: Radenović et al., Revisiting Oxford and Paris: Large-Scale Image Retrieval Benchmarking, CVPR 2018,
arXiv:1803.11285, section 4.1; where the paper is silent (trapezoids, mP@k), this follows the authors' scoring code.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from glr import storage
from glr.errors import GlrError
from glr.retrieval.metrics import interpolated_precision
from glr.retrieval.outcomes import RECALL_STEPS, nearest, outcome_table
from glr.retrieval.plain_pickle import numbers, read_pickle
from glr.retrieval.task import Ranking

# For each level: the labels of relevant images, and the labels of images that are removed from the ranking.
LEVELS = {
    "easy": (("easy",), ("hard", "junk")),
    "medium": (("easy", "hard"), ("junk",)),
    "hard": (("hard",), ("easy", "junk")),
}
RANKS = (1, 5, 10)


@dataclass(frozen=True)
class Query:
    """A query image and its labelled index images; index images without a label are wrong answers.

    Attributes:
        name: name of the image.
        box: the part of the image that is searched for, in pixels: left, top, right, bottom.
        easy: positions in the index of images that clearly show the same thing.
        hard: positions of images that show it badly.
        junk: positions of images that show very little of it; they count neither as right nor as wrong.
    """

    name: str
    box: tuple[float, float, float, float]
    easy: tuple[int, ...]
    hard: tuple[int, ...]
    junk: tuple[int, ...]

    def labelled(self, labels: Sequence[str]) -> list[int]:
        """The index positions with one of these labels."""
        return [position for label in labels for position in getattr(self, label)]


@dataclass(frozen=True)
class GroundTruth:
    """The content of a ground-truth file.

    Attributes:
        index: names of the N index images; positions refer to this order.
        queries: the Q queries.
    """

    index: list[str]
    queries: list[Query]


def read_ground_truth(path: str | Path) -> GroundTruth:
    """Read `gnd_roxford5k.pkl`, `gnd_rparis6k.pkl` or a file like them; nothing in it is executed.

    Args:
        path: local or gs://.

    Raises:
        GlrError: the file is missing, damaged or incomplete, or asks for more than lists, numbers and arrays of
            numbers.
    """
    if not storage.exists(path):
        raise GlrError(f"{path}: no such file; expected a ground truth such as gnd_roxford5k.pkl")
    content = read_pickle(storage.read(path), str(path))
    if not isinstance(content, dict):
        raise GlrError(f"{path}: holds no dictionary; expected one of imlist, qimlist and gnd")
    index, names = (_names(content, key, path) for key in ("imlist", "qimlist"))
    entries = _of(content, "gnd", path)
    if not isinstance(entries, list) or len(entries) != len(names):
        raise GlrError(f"{path}: gnd is not a list of as many entries as qimlist has names, {len(names)}")
    queries = [
        _query(name, entry, len(index), f"{path}, query {name}") for name, entry in zip(names, entries, strict=True)
    ]
    return GroundTruth(index, queries)


class RevisitedTask:
    """Retrieval by the protocol of revisited Oxford and Paris, scored at three levels."""

    def __init__(self, ground_truth: GroundTruth):
        self._ground_truth = ground_truth

    def check(self, index_ids: Sequence[str], query_ids: Sequence[str]) -> None:
        """Raise GlrError unless the images are the ground truth's, in the same order."""
        if list(index_ids) != self._ground_truth.index or list(query_ids) != [
            q.name for q in self._ground_truth.queries
        ]:
            raise GlrError("the described images differ from the ground truth's, or are in another order")

    def ranks(self, index: int) -> int:
        """Return the size of the index: the protocol ranks all of it."""
        return index

    def score(self, ranking: Ranking) -> dict[str, float]:
        """Return `easy/map`, `medium/mp_at_10`, ...: see `revisited_metrics`."""
        return revisited_metrics(self._ground_truth, ranking.positions)

    def outcomes(self, ranking: Ranking) -> pa.Table:
        """Return each query's outcome at each level where it has a relevant image; `usage` holds the level."""
        columns: dict[str, list[Any]] = {
            name: [] for name in ("id", "usage", "relevant", "ap", "p_at_10", "first_rank", "precisions")
        }
        rows: list[int] = []
        for level, (right, ignored) in LEVELS.items():
            for place, query in enumerate(self._ground_truth.queries):
                if relevant := query.labelled(right):
                    order = ranking.positions[place]
                    ranks = _ranks(order, relevant, query.labelled(ignored), len(self._ground_truth.index))
                    precisions = dict(zip(RANKS, _precisions(ranks, len(relevant)), strict=True))
                    precision = _average_precision(ranks, len(relevant))
                    curve = interpolated_precision(ranks, len(relevant), RECALL_STEPS)
                    values = query.name, level, len(relevant), precision, precisions[10], int(ranks[0]), curve
                    for column, value in zip(columns.values(), values, strict=True):
                        column.append(value)
                    rows.append(place)
        return outcome_table(columns | nearest(ranking.index_ids, ranking.positions[rows], ranking.scores[rows]))

    def answers(self) -> dict[str, dict[str, AbstractSet[str]]]:
        """Return each query's relevant images at the level medium: easy and hard images."""
        names = self._ground_truth.index
        wanted = LEVELS["medium"][0]
        return {"Medium": {q.name: {names[n] for n in q.labelled(wanted)} for q in self._ground_truth.queries}}


def revisited_metrics(ground_truth: GroundTruth, positions: np.ndarray) -> dict[str, float]:
    """mAP and mP@k at each level: `easy/map`, `medium/mp_at_1`, `hard/mp_at_10`, ...; all in 0..1.

    Ignored images are removed from the ranking. AP is the area under the precision-recall curve by trapezoids:
    (1 / m) Σ_j (P(r_j - 1) + P(r_j)) / 2 over the ranks r_j, from 1, of the m relevant images, with P(0) = 1. mP@k is
    the precision of the first min(k, rank of the last relevant image). Queries without a relevant image are left out.

    The protocol ranks the whole index. In a shorter ranking, missing relevant images add nothing to AP and count as
    ranked last: mAP is a lower bound. mP@k is exact if the row holds at least k images that are not ignored; else it
    is a lower bound too. (The authors' code takes the last relevant image in the row, and fails on a row without
    relevant images.)

    Args:
        ground_truth: the ground truth of Q queries and N index images.
        positions: int [Q, N] or [Q, k]; each query's positions in the index, best first, without repetition.

    Raises:
        GlrError: the positions are not of this index and these queries, or no query has a relevant image at a level.
    """
    _check(ground_truth, positions)
    return {
        f"{level}/{name}": value
        for level, labels in LEVELS.items()
        for name, value in _level(ground_truth, positions, level, *labels).items()
    }


def _level(
    ground_truth: GroundTruth, positions: np.ndarray, level: str, right: Sequence[str], ignored: Sequence[str]
) -> dict[str, float]:
    scores = []
    for query, row in zip(ground_truth.queries, positions, strict=True):
        relevant = query.labelled(right)
        if relevant:
            ranks = _ranks(row, relevant, query.labelled(ignored), len(ground_truth.index))
            scores.append([_average_precision(ranks, len(relevant)), *_precisions(ranks, len(relevant))])
    if not scores:
        raise GlrError(f"no query has a relevant image at the level {level}, so there is nothing to score")
    names = ["map", *(f"mp_at_{k}" for k in RANKS)]
    return dict(zip(names, np.mean(scores, axis=0).tolist(), strict=True))


def _ranks(row: np.ndarray, relevant: list[int], ignored: list[int], size: int) -> np.ndarray:
    """Return the ranks, from 1 and ascending, of the relevant images in a ranking without the ignored ones."""
    is_relevant, is_ignored = np.zeros((2, size), bool)
    is_relevant[relevant] = True
    is_ignored[ignored] = True
    places = np.flatnonzero(is_relevant[row])
    return places + 1 - np.cumsum(is_ignored[row])[places]


def _average_precision(ranks: np.ndarray, relevant: int) -> float:
    right_so_far = np.arange(1, len(ranks) + 1)
    before = np.where(ranks == 1, 1.0, (right_so_far - 1) / np.maximum(ranks - 1, 1))
    return float((before + right_so_far / ranks).sum()) / 2 / relevant


def _precisions(ranks: np.ndarray, relevant: int) -> list[float]:
    last = ranks[-1] if len(ranks) == relevant else max(RANKS)
    return [float((ranks <= min(k, last)).sum() / min(k, last)) for k in RANKS]


def _check(ground_truth: GroundTruth, positions: np.ndarray) -> None:
    queries, index = len(ground_truth.queries), len(ground_truth.index)
    if positions.ndim != 2 or len(positions) != queries or not np.issubdtype(positions.dtype, np.integer):
        raise GlrError(
            f"positions are {positions.dtype} {list(positions.shape)}; expected whole numbers, a row for each of the "
            f"{queries} queries"
        )
    if positions.size and not (positions.min() >= 0 and positions.max() < index):
        raise GlrError(f"positions reach from {positions.min()} to {positions.max()}; the index has 0 to {index - 1}")
    for query, row in zip(ground_truth.queries, positions, strict=True):
        if len(np.unique(row)) < len(row):
            raise GlrError(f"the ranking of query {query.name} names an index position twice")


def _of(content: dict[str, object], key: str, where: str | Path) -> Any:
    if key not in content:
        raise GlrError(f"{where}: {key} is missing; expected a ground truth such as gnd_roxford5k.pkl")
    return content[key]


def _names(content: dict[str, object], key: str, path: str | Path) -> list[str]:
    names = _of(content, key, path)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise GlrError(f"{path}: {key} is not a list of image names")
    if len(set(names)) < len(names):
        twice = next(name for number, name in enumerate(names) if name in names[:number])
        raise GlrError(f"{path}: {key} names {twice} twice")
    return names


def _query(name: str, entry: object, index: int, where: str) -> Query:
    if not isinstance(entry, dict):
        raise GlrError(f"{where}: its entry in gnd is not a dictionary")
    box = numbers(_of(entry, "bbx", where), f"{where}, bbx")
    if len(box) != 4 or not all(map(isfinite, box)) or box[0] >= box[2] or box[1] >= box[3]:
        raise GlrError(f"{where}: bbx is {box}; expected left, top, right, bottom in pixels")
    easy, hard, junk = (
        _positions(_of(entry, key, where), index, f"{where}, {key}") for key in ("easy", "hard", "junk")
    )
    return Query(name, (box[0], box[1], box[2], box[3]), easy, hard, junk)


def _positions(value: object, index: int, where: str) -> tuple[int, ...]:
    values = numbers(value, where)
    for position in values:
        if position not in range(index):
            raise GlrError(f"{where}: {position} is not a position in the index, 0 to {index - 1}")
    return tuple(map(int, values))
