"""Evaluation: from the descriptors of index and queries to every metric of each split."""

from collections.abc import Collection, Iterable, Sequence

import numpy as np

from glr.errors import GlrError
from glr.retrieval.metrics import recognition_metrics, retrieval_metrics
from glr.retrieval.search import top_k
from glr.retrieval.solution import SPLITS, Solution

# mp_at_10 and recall_at_10 look so far, whatever k is.
RANKS = 10


def evaluate(
    index_ids: Sequence[str],
    index_classes: Sequence[str],
    index_descriptors: np.ndarray,
    query_ids: Sequence[str],
    query_descriptors: np.ndarray,
    retrieval: Solution | None,
    recognition: Solution | None,
    *,
    k: int = 100,
    neighbors: int = 1,
) -> dict[str, float]:
    """Score descriptors on Public and Private apart, by every metric of the tasks whose solution is given.

    Args:
        index_ids: of the N index images.
        index_classes: their landmarks [N], named as in the recognition solution.
        index_descriptors: float [N, D], L2-normalised.
        query_ids: of the Q queries.
        query_descriptors: float [Q, D], L2-normalised.
        retrieval: the relevant index images of each query.
        recognition: the landmarks of each query.
        k: ranks that count: `map_at_<k>`, and position k + 1 where none of them holds a relevant image.
        neighbors: index images that classify a query, see `classify`.

    Returns:
        `public/map_at_100`, `private/gap`, ...: the names of `glr.retrieval.metrics` by split.

    Raises:
        GlrError: there is no solution, the solutions and the described images do not fit together, or the search
            refuses the descriptors.
    """
    _check_sizes(index_ids, index_classes, index_descriptors, query_ids, query_descriptors)
    _check_solutions(retrieval, recognition, query_ids, index_ids, index_classes)
    ranks = max(k, RANKS) if retrieval else 0
    scores, positions = top_k(query_descriptors, index_descriptors, max(ranks, neighbors if recognition else 0))
    metrics: dict[str, dict[str, float]] = {split: {} for split in SPLITS}
    if retrieval:
        names = np.array(index_ids, object)
        rankings = {
            query: names[row[:ranks]].tolist()
            for query, row in zip(query_ids, positions, strict=True)
            if retrieval.relevant.get(query)
        }
        for split in SPLITS:
            metrics[split] |= retrieval_metrics(retrieval.split(split), rankings, k)
    if recognition:
        predictions = classify(query_ids, scores[:, :neighbors], positions[:, :neighbors], index_classes)
        for split in SPLITS:
            metrics[split] |= recognition_metrics(recognition.split(split), predictions)
    return {f"{split.lower()}/{name}": value for split, values in metrics.items() for name, value in values.items()}


def classify(
    query_ids: Sequence[str], scores: np.ndarray, positions: np.ndarray, index_classes: Sequence[str]
) -> dict[str, tuple[str, float]]:
    """The class with the largest sum of similarities among a query's nearest index images, and that sum.

    Of one neighbour it is that image's class with the cosine similarity. Of equal sums, the class that comes first in
    the ranking wins.

    Args:
        query_ids: [Q].
        scores: cosine similarities [Q, neighbors], descending.
        positions: in the index [Q, neighbors].
        index_classes: [N].

    Returns:
        By query, its class and confidence.
    """
    predictions: dict[str, tuple[str, float]] = {}
    found = np.array(index_classes, object)[positions]
    for query, row, names in zip(query_ids, scores.tolist(), found.tolist(), strict=True):
        totals: dict[str, float] = {}
        for score, name in zip(row, names, strict=True):
            totals[name] = totals.get(name, 0.0) + score
        best = max(totals, key=totals.__getitem__)
        predictions[query] = (best, totals[best])
    return predictions


def _check_sizes(
    index_ids: Sequence[str],
    index_classes: Sequence[str],
    index_descriptors: np.ndarray,
    query_ids: Sequence[str],
    query_descriptors: np.ndarray,
) -> None:
    index = len(index_ids), len(index_classes), len(index_descriptors)
    if len(set(index)) > 1:
        raise GlrError("index ids, classes and descriptors differ in number: {}, {} and {}".format(*index))
    if len(query_ids) != len(query_descriptors):
        raise GlrError(f"query ids and descriptors differ in number: {len(query_ids)} and {len(query_descriptors)}")


def _check_solutions(
    retrieval: Solution | None,
    recognition: Solution | None,
    query_ids: Sequence[str],
    index_ids: Sequence[str],
    index_classes: Sequence[str],
) -> None:
    solved: set[str] = set()
    described = set(query_ids)
    for name, solution in (("retrieval", retrieval), ("recognition", recognition)):
        if solution:
            _refuse(solution.usage, described, f"queries of the {name} solution that were not described")
            solved.update(solution.usage)
    if not retrieval and not recognition:
        raise GlrError("there is neither a retrieval nor a recognition solution, so there is nothing to score")
    _refuse(query_ids, solved, "queries that no solution names, so that they cannot be scored")
    if retrieval:
        relevant = set().union(*retrieval.relevant.values())
        _refuse(sorted(relevant), set(index_ids), "relevant images of the retrieval solution that are not in the index")
    if recognition:
        classes = set(index_classes)
        if all(classes.isdisjoint(landmarks) for landmarks in recognition.relevant.values()):
            raise GlrError(
                "the index shows no landmark of the recognition solution; both have to name landmarks the same way"
            )


def _refuse(ids: Iterable[str], known: Collection[str], what: str) -> None:
    """Refuse ids that are not known: how many there are, and the first."""
    unknown = [name for name in ids if name not in known]
    if unknown:
        raise GlrError(f"{what}: {len(unknown)}, the first of them {unknown[0]}")
