"""The tasks of Google Landmarks, retrieval and recognition: their solutions, and every metric of a ranking."""

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from glr import storage
from glr.config.usages import IGNORED, UNDIVIDED, USAGES, metric_name
from glr.data.image_id import check_id
from glr.data.rows import COLUMNS, as_text, csv_rows
from glr.data.solution import Solution, read_solution
from glr.errors import GlrError
from glr.retrieval.metrics import Classes, interpolated_precision, recognition_metrics, retrieval_metrics
from glr.retrieval.outcomes import NEAREST, RECALL_STEPS, nearest, outcome_table
from glr.retrieval.task import Ranking

K = 100  # number of ranks that count
_CLASSES = "index.csv"
_RETRIEVAL = ("relevant", "ap", "p_at_10", "first_rank", "precisions")  # columns of outcomes
_ALL = "All"  # the name in plots of a solution that is not divided


class LandmarkTask:
    """Retrieval, recognition or both, scored on Public and Private separately if the solution divides its queries.

    Args:
        retrieval: the relevant index images of each query.
        recognition: the landmarks of each query.
        index_classes: the landmark of each index image, named as in the recognition solution.
        neighbors: index images that classify a query, see `classify`.

    Raises:
        GlrError: there is no solution, or one solution divides its queries by usage and the other does not.
    """

    def __init__(
        self,
        retrieval: Solution | None,
        recognition: Solution | None,
        index_classes: Mapping[str, str],
        *,
        neighbors: int = 1,
    ):
        if not retrieval and not recognition:
            raise GlrError("there is neither a retrieval nor a recognition solution, so there is nothing to score")
        if retrieval and recognition and (UNDIVIDED in retrieval.usages) != (UNDIVIDED in recognition.usages):
            raise GlrError("one solution gives each query a Usage and the other none; give it in both or in neither")
        self.retrieval = retrieval
        self.recognition = recognition
        self.index_classes = index_classes
        self.neighbors = neighbors

    def check(self, index_ids: Sequence[str], query_ids: Sequence[str]) -> None:
        """Check that the solutions match the described images.

        Raises:
            GlrError: a query has no descriptor or no solution, or the index lacks a relevant image or all landmarks.
        """
        solved: set[str] = set()
        described, index = set(query_ids), set(index_ids)
        for name, solution in (("retrieval", self.retrieval), ("recognition", self.recognition)):
            if solution:
                refuse(solution.usage, described, f"queries of the {name} solution that were not described")
                solved.update(solution.usage)
        refuse(query_ids, solved, "queries that no solution names, so that they cannot be scored")
        if self.retrieval:
            relevant = set().union(*self.retrieval.relevant.values())
            refuse(sorted(relevant), index, "relevant images of the retrieval solution that are not in the index")
        if self.recognition:
            refuse(index_ids, self.index_classes, "index images without a landmark to classify queries by")
            classes = {self.index_classes[image_id] for image_id in index_ids}
            if all(classes.isdisjoint(landmarks) for landmarks in self.recognition.relevant.values()):
                raise GlrError(
                    "the index shows no landmark of the recognition solution; both must name landmarks in the same way"
                )

    def ranks(self, index: int) -> int:
        """Return the number of neighbours that the metrics need."""
        return min(max(K if self.retrieval else 0, self.neighbors if self.recognition else 0), index)

    def score(self, ranking: Ranking, usages: Sequence[str] = USAGES) -> dict[str, float]:
        """Return every metric of `glr.retrieval.metrics` by usage: `public/map_at_100`, `private/gap`, ...

        An undivided solution has the metrics `map_at_100`, `gap`, ...; usages without an answered query have none.
        """
        metrics: dict[str, dict[str, float]] = {usage: {} for usage in usages}
        if self.retrieval:
            names = np.array(ranking.index_ids, object)
            rankings = {
                query: names[row[:K]].tolist()
                for query, row in zip(ranking.query_ids, ranking.positions, strict=True)
                if self.retrieval.relevant.get(query)
            }
            for usage in filter(usages.__contains__, self.retrieval.usages):
                metrics[usage] |= retrieval_metrics(self.retrieval.of_usage(usage), rankings, K)
        if self.recognition:
            predictions = classify(ranking, self.index_classes, self.neighbors)
            for usage in filter(usages.__contains__, self.recognition.usages):
                metrics[usage] |= recognition_metrics(self.recognition.of_usage(usage), predictions)
        return {metric_name(usage, name): value for usage, values in metrics.items() for name, value in values.items()}

    def outcomes(self, ranking: Ranking) -> pa.Table:
        """Return each query's outcome for each of its usages; see `glr.retrieval.outcomes.SCHEMA`."""
        places = {query: place for place, query in enumerate(ranking.query_ids)}
        solutions = [solution for solution in (self.retrieval, self.recognition) if solution]
        keys = dict.fromkeys(pair for solution in solutions for pair in solution.usage.items() if pair[1] != IGNORED)
        queries, usages = ([key[part] for key in keys] for part in (0, 1))
        rows = np.array([places[query] for query in queries], np.int64)
        columns: dict[str, Any] = {"id": queries, "usage": usages}
        if self.retrieval:
            columns |= _found(self.retrieval, ranking, queries, rows)
        if self.recognition:
            shown = [self.recognition.relevant.get(query) for query in queries]  # None: retrieval's solution only
            predicted = classify(ranking, self.index_classes, self.neighbors)
            columns["class"], columns["confidence"] = zip(*(predicted[query] for query in queries), strict=True)
            columns["shown"] = [None if landmarks is None else bool(landmarks) for landmarks in shown]
            columns["right"] = [
                None if landmarks is None else name in landmarks
                for name, landmarks in zip(columns["class"], shown, strict=True)
            ]
        positions, scores = ranking.positions[rows, :NEAREST], ranking.scores[rows, :NEAREST]
        return outcome_table(columns | nearest(ranking.index_ids, positions, scores))

    def answers(self) -> dict[str, dict[str, AbstractSet[str]]]:
        """Return each query's relevant images by usage; without a retrieval solution, the images of its landmarks."""
        if self.retrieval:
            return {usage or _ALL: dict(self.retrieval.of_usage(usage)) for usage in self.retrieval.usages}
        assert self.recognition
        members: dict[str, set[str]] = {}
        for image_id, landmark in self.index_classes.items():
            members.setdefault(landmark, set()).add(image_id)
        return {
            usage or _ALL: {
                query: frozenset().union(*(members.get(landmark, ()) for landmark in shown))
                for query, shown in self.recognition.of_usage(usage).items()
            }
            for usage in self.recognition.usages
        }

    def save(self, folder: Path) -> None:
        """Write the solutions and the index images' landmarks as CSVs, for scoring stored descriptors."""
        for name, solution in (("retrieval", self.retrieval), ("recognition", self.recognition)):
            if solution:
                rows = [(query, " ".join(sorted(v)), solution.usage[query]) for query, v in solution.relevant.items()]
                _write(folder / f"{name}_solution.csv", [("id", COLUMNS[name], "Usage"), *rows])
        if self.recognition:
            _write(folder / _CLASSES, [("id", "landmark_id"), *self.index_classes.items()])

    @classmethod
    def load(cls, folder: Path, *, neighbors: int = 1) -> "LandmarkTask":
        """Load a task that `save` wrote.

        Raises:
            GlrError: a file is missing or damaged.
        """
        files = [folder / f"{name}_solution.csv" for name in COLUMNS]
        retrieval, recognition = (read_solution(file) if file.is_file() else None for file in files)
        classes = read_index_classes(folder / _CLASSES) if recognition else {}
        return cls(retrieval, recognition, classes, neighbors=neighbors)


def read_index_classes(path: str | Path) -> dict[str, str]:
    """Read the landmark of each index image from a CSV with the columns id,landmark_id.

    Raises:
        GlrError: the file or a column is missing, a row lacks a field, or the file is not UTF-8.
    """
    if not storage.exists(path):
        raise GlrError(f"{path}: no such file; expected a CSV id,landmark_id of the index images")
    rows = csv_rows(as_text(io.BytesIO(storage.read(path))), str(path))
    _, header = next(rows, (0, []))
    if not {"id", "landmark_id"} <= set(header):
        raise GlrError(f"{path}, line 1: the columns id,landmark_id are needed")
    classes: dict[str, str] = {}
    for line, row in rows:
        if len(row) < len(header):
            raise GlrError(f"{path}, line {line}: {len(row)} fields for {len(header)} columns")
        check_id(row[header.index("id")], f"{path}, line {line}")
        classes[row[header.index("id")]] = row[header.index("landmark_id")]
    return classes


def classify(ranking: Ranking, index_classes: Mapping[str, str], neighbors: int) -> Classes:
    """Predict each query's class: the class with the largest sum of similarities among its nearest index images.

    With one neighbour, this is the neighbour's class. If sums are equal, the class that is ranked first wins.

    Returns:
        Each query's class and its confidence, the sum.
    """
    numbers: dict[str, int] = {}
    classes = np.array(
        [numbers.setdefault(index_classes[image], len(numbers)) for image in ranking.index_ids], np.int64
    )
    nearest = classes[ranking.positions[:, :neighbors]]
    totals = np.zeros(nearest.shape)  # each neighbour's class's sum
    for rank, scores in enumerate(ranking.scores[:, :neighbors].T):
        totals += np.where(nearest == nearest[:, rank, None], scores[:, None], np.float32(0))
    best = totals.argmax(axis=1)[:, None]
    names, sums = list(numbers), np.take_along_axis(totals, best, axis=1)[:, 0].tolist()
    winners = np.take_along_axis(nearest, best, axis=1)[:, 0].tolist()
    return {query: (names[n], total) for query, n, total in zip(ranking.query_ids, winners, sums, strict=True)}


def _found(solution: Solution, ranking: Ranking, queries: Sequence[str], rows: np.ndarray) -> dict[str, list[Any]]:
    """Return what a ranking finds of each query's relevant images: the columns of `_RETRIEVAL`."""
    every = frozenset().union(*solution.relevant.values())
    places = {image: place for place, image in enumerate(ranking.index_ids) if image in every}
    columns: dict[str, list[Any]] = {name: [] for name in _RETRIEVAL}
    for query, row in zip(queries, rows, strict=True):
        relevant = solution.relevant.get(query)
        values: tuple[Any, ...] = (None if relevant is None else len(relevant), None, None, None, None)
        if relevant:
            wanted = [places[image] for image in relevant if image in places]
            ranks = np.flatnonzero(np.isin(ranking.positions[row, :K], wanted)) + 1
            precision = float((np.arange(1, len(ranks) + 1) / ranks).sum()) / min(len(relevant), K)
            first = int(ranks[0]) if len(ranks) else None
            curve = interpolated_precision(ranks, len(relevant), RECALL_STEPS)
            values = (len(relevant), precision, int((ranks <= 10).sum()) / 10, first, curve)
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
    return columns


def refuse(ids: Iterable[str], known: Collection[str], what: str) -> None:
    """Raise GlrError if some ids are unknown; the message gives `what`, how many ids, and the first of them."""
    unknown = [name for name in ids if name not in known]
    if unknown:
        raise GlrError(f"{what}: {len(unknown)}, the first of them {unknown[0]}")


def _write(file: Path, rows: Iterable[Sequence[str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened, lineterminator="\n").writerows(rows)
