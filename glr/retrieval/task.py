"""Evaluation: rank the index images for each query by their descriptors, and score the ranking with a task."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from glr.errors import GlrError
from glr.retrieval.descriptors import Descriptors


class Ranking(NamedTuple):
    """The nearest index images of each query.

    Attributes:
        index_ids: the ids of the N index images.
        query_ids: the ids of the Q queries.
        scores: float32 [Q, k], descending.
        positions: int64 [Q, k], in `index_ids`.
    """

    index_ids: list[str]
    query_ids: list[str]
    scores: np.ndarray
    positions: np.ndarray


class Task(Protocol):
    """The right answers to each query, and the metrics computed from them."""

    def check(self, index_ids: Sequence[str], query_ids: Sequence[str]) -> None:
        """Raise GlrError unless the task is about these images."""
        ...

    def ranks(self, index: int) -> int:
        """Return how many neighbours per query the metrics need, for an index of this many images."""
        ...

    def score(self, ranking: Ranking) -> dict[str, float]:
        """Return the metrics by name."""
        ...

    def outcomes(self, ranking: Ranking) -> pa.Table:
        """Return each query's own outcome, with the columns of `glr.retrieval.outcomes.SCHEMA`."""
        ...

    def answers(self) -> dict[str, dict[str, AbstractSet[str]]]:
        """Return the right index images by query, for each part of the task that is scored separately."""
        ...


# Maps queries [Q, D], index [N, D], scores [Q, k], positions [Q, k] and a memory limit in GB to
# new scores and positions.
Rerank = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float], tuple[np.ndarray, np.ndarray]]


def evaluate(
    task: Task, index: Descriptors, query: Descriptors, *, memory: float = 1.5, rerank: Rerank | None = None
) -> tuple[dict[str, float], Ranking]:
    """Find each query's nearest index images, and score them.

    Args:
        task: knows the right answers.
        index: descriptors of the index images, L2-normalised.
        query: descriptors of the queries, L2-normalised.
        memory: GB for the search.
        rerank: changes the first ranking; the search finds at least `rerank.depth` neighbours.

    Returns:
        The task's metrics by name, and the ranking.

    Raises:
        GlrError: the task does not match the described images, or the search refuses the descriptors.
    """
    for name, described in (("index", index), ("query", query)):
        if len(described.ids) != len(described.values):
            raise GlrError(f"{name} ids and descriptors differ: {len(described.ids)} and {len(described.values)}")
    task.check(index.ids, query.ids)
    ranking = ranked(index, query, task.ranks(len(index.ids)), memory=memory, rerank=rerank)
    return task.score(ranking), ranking


def ranked(
    index: Descriptors, query: Descriptors, ranks: int, *, memory: float = 1.5, rerank: Rerank | None = None
) -> Ranking:
    """Find each query's nearest index images: at least `ranks` of them; see `evaluate`.

    Raises:
        GlrError: the search refuses the descriptors.
    """
    from glr.retrieval.neighbors import top_k  # only a search needs TensorFlow; tables and reports do without

    k = min(max(ranks, getattr(rerank, "depth", 0)), len(index.ids))
    scores, positions = top_k(query.values, index.values, k, memory=memory)
    if rerank is not None:
        scores, positions = rerank(query.values, index.values, scores, positions, memory)
    return Ranking(index.ids, query.ids, scores, positions)
