"""The tasks of Google Landmarks, retrieval and recognition: their solutions, and every metric of a ranking."""

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import numpy as np

from glr import storage
from glr.data.rows import COLUMNS
from glr.data.solution import USAGES, Solution, read_solution
from glr.errors import GlrError
from glr.retrieval.metrics import Classes, recognition_metrics, retrieval_metrics
from glr.retrieval.task import Ranking

K = 100  # number of ranks that count
_CLASSES = "index.csv"


class LandmarkTask:
    """Retrieval, recognition or both, scored on Public and Private separately.

    Args:
        retrieval: the relevant index images of each query.
        recognition: the landmarks of each query.
        index_classes: the landmark of each index image, named as in the recognition solution.
        neighbors: index images that classify a query, see `classify`.

    Raises:
        GlrError: there is no solution.
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
        """Return every metric of `glr.retrieval.metrics` by usage: `public/map_at_100`, `private/gap`, ..."""
        metrics: dict[str, dict[str, float]] = {usage: {} for usage in usages}
        if self.retrieval:
            names = np.array(ranking.index_ids, object)
            rankings = {
                query: names[row[:K]].tolist()
                for query, row in zip(ranking.query_ids, ranking.positions, strict=True)
                if self.retrieval.relevant.get(query)
            }
            for usage in usages:
                metrics[usage] |= retrieval_metrics(self.retrieval.of_usage(usage), rankings, K)
        if self.recognition:
            predictions = classify(ranking, self.index_classes, self.neighbors)
            for usage in usages:
                metrics[usage] |= recognition_metrics(self.recognition.of_usage(usage), predictions)
        return {f"{usage.lower()}/{name}": value for usage, values in metrics.items() for name, value in values.items()}

    def answers(self) -> dict[str, dict[str, AbstractSet[str]]]:
        """Return each query's relevant images by usage; without a retrieval solution, the images of its landmarks."""
        if self.retrieval:
            return {usage: dict(self.retrieval.of_usage(usage)) for usage in USAGES}
        assert self.recognition
        members: dict[str, set[str]] = {}
        for image_id, landmark in self.index_classes.items():
            members.setdefault(landmark, set()).add(image_id)
        return {
            usage: {
                query: frozenset().union(*(members.get(landmark, ()) for landmark in shown))
                for query, shown in self.recognition.of_usage(usage).items()
            }
            for usage in USAGES
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
        GlrError: the file or a column is missing.
    """
    if not storage.exists(path):
        raise GlrError(f"{path}: no such file; expected a CSV id,landmark_id of the index images")
    rows = csv.DictReader(io.StringIO(storage.read(path).decode("utf-8-sig"), newline=""))
    if not {"id", "landmark_id"} <= set(rows.fieldnames or ()):
        raise GlrError(f"{path}, line 1: the columns id,landmark_id are needed")
    return {row["id"]: row["landmark_id"] for row in rows}


def headline(scores: Mapping[str, float], metric: str) -> dict[str, float]:
    """Return the scores that studies compare: a metric on Public and Private as `public_score`, `private_score`.

    Raises:
        GlrError: the metric is of a task that was not scored.
    """
    if f"public/{metric}" not in scores:
        raise GlrError(f"score={metric}: the set has no solution of its task; give a metric of the other task")
    return {f"{usage.lower()}_score": scores[f"{usage.lower()}/{metric}"] for usage in USAGES}


def classify(ranking: Ranking, index_classes: Mapping[str, str], neighbors: int) -> Classes:
    """Predict each query's class: the class with the largest sum of similarities among its nearest index images.

    With one neighbour, this is the neighbour's class. Of equal sums, the class that comes first in the ranking wins.

    Returns:
        Each query's class and its confidence, the sum.
    """
    predictions: dict[str, tuple[str, float]] = {}
    classes = np.array([index_classes[image_id] for image_id in ranking.index_ids], object)
    nearest = classes[ranking.positions[:, :neighbors]]
    for query, row, names in zip(ranking.query_ids, ranking.scores.tolist(), nearest.tolist(), strict=True):
        totals: dict[str, float] = {}
        for score, name in zip(row, names, strict=False):
            totals[name] = totals.get(name, 0.0) + score
        best = max(totals, key=totals.__getitem__)
        predictions[query] = (best, totals[best])
    return predictions


def refuse(ids: Iterable[str], known: Collection[str], what: str) -> None:
    """Raise GlrError if some ids are unknown; the message gives `what`, how many ids, and the first of them."""
    unknown = [name for name in ids if name not in known]
    if unknown:
        raise GlrError(f"{what}: {len(unknown)}, the first of them {unknown[0]}")


def _write(file: Path, rows: Iterable[Sequence[str]]) -> None:
    with file.open("w", newline="") as opened:
        csv.writer(opened, lineterminator="\n").writerows(rows)
