"""Find the best of many ensembles with one search of the index."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from glr.config.printing import progress_bar
from glr.retrieval.joint import Member, scale_factors
from glr.retrieval.neighbors import tensor
from glr.retrieval.task import Ranking

_ROWS = 65_536  # rows of an index, compared at once


class Choice(NamedTuple):
    """A combination of members, by their positions, with the weights of their similarities and its score."""

    members: tuple[int, ...]
    weights: tuple[float, ...]
    score: float


class Candidates:
    """The similarities that a search for ensembles needs: of each query to all index images that may rank.

    Each member's similarities are computed once. A query keeps the index images among the `depth` nearest of any
    member, with their similarities in all members. The ranking by a sum of similarities is exact, unless an image
    outside every member's `depth` nearest would rank. With `depth` the size of the index, it is always exact.

    Args:
        members: descriptors of the same images.
        queries: positions of the queries that are scored.
        depth: number of nearest images of each member.
        memory: GB for the similarities of a block of queries.
    """

    def __init__(self, members: Sequence[Member], queries: np.ndarray, *, depth: int, memory: float):
        self._index_ids = members[0].index.ids
        self._query_ids = [members[0].query.ids[position] for position in queries]
        depth = min(depth, len(self._index_ids))
        rows = max(int(memory * 1e9) // (4 * len(members) * len(self._index_ids)), 1)
        scales = [scale_factors(member.index.values) for member in members]
        parts: list[tuple[np.ndarray, np.ndarray]] = []
        with progress_bar(total=len(queries), unit=" queries", desc="similarities", leave=False) as bar:
            for start in range(0, len(queries), rows):
                some = queries[start : start + rows]
                own = [_similarities(member, scale, some) for member, scale in zip(members, scales, strict=True)]
                parts += _candidates(own, depth)
                bar.update(len(some))
        width = max(len(positions) for positions, _ in parts)
        self.positions = np.zeros((len(parts), width), np.int64)
        self.similarities = np.full((len(members), len(parts), width), -np.inf, np.float32)
        for row, (positions, similarities) in enumerate(parts):
            self.positions[row, : len(positions)] = positions
            self.similarities[:, row, : len(positions)] = similarities

    def ranking(self, sums: np.ndarray, ranks: int) -> Ranking:
        """Rank by a sum of the members' similarities [Q, C]; break ties by position."""
        scores, columns = tf.math.top_k(sums, min(ranks, sums.shape[1]))
        positions = np.take_along_axis(self.positions, columns.numpy(), 1)
        return Ranking(self._index_ids, self._query_ids, scores.numpy(), positions)


def greedy(
    similarities: np.ndarray,
    score: Callable[[np.ndarray], float],
    allowed: Callable[[tuple[int, ...]], bool],
    weights: Sequence[float],
) -> Iterator[Choice]:
    """Start with the best member; add the member that helps most, at the best weight, until none helps.

    Args:
        similarities: float32 [M, Q, C] of M members.
        score: scores a weighted sum of similarities [Q, C]; higher is better.
        allowed: tells whether members may be combined.
        weights: weights to try for each further member; the first has 1.

    Yields:
        All choices tried, the best of each step last.
    """
    best: Choice | None = None
    total = np.zeros_like(similarities[0])
    while True:
        members = () if best is None else best.members
        tried = []
        for member in range(len(similarities)):
            if member in members or not allowed((*members, member)):
                continue
            for weight in weights if members else (1.0,):
                value = score(total + np.float32(weight) * similarities[member])
                tried.append(Choice((*members, member), (*(best.weights if best else ()), weight), value))
        step = max(tried, key=lambda choice: choice.score, default=None)
        yield from (choice for choice in tried if choice is not step)
        if step is None:
            return
        yield step
        if best is not None and step.score <= best.score:
            return
        best = step
        total += np.float32(step.weights[-1]) * similarities[step.members[-1]]


def exhaustive(
    similarities: np.ndarray,
    score: Callable[[np.ndarray], float],
    allowed: Callable[[tuple[int, ...]], bool],
    weights: Sequence[float],
) -> Iterator[Choice]:
    """Try every allowed combination; each sum of similarities adds the last member to the sum of the others.

    Arguments and yields as in `greedy`, in no particular order. Supersets of a refused combination must be refused.
    """

    def beyond(members: tuple[int, ...], given: tuple[float, ...], total: np.ndarray) -> Iterator[Choice]:
        for member in range(members[-1] + 1 if members else 0, len(similarities)):
            if not allowed((*members, member)):
                continue
            for weight in weights if members else (1.0,):
                more = total + np.float32(weight) * similarities[member]
                yield Choice((*members, member), (*given, weight), score(more))
                yield from beyond((*members, member), (*given, weight), more)

    return beyond((), (), np.zeros_like(similarities[0]))


def combinations(members: int, allowed: Callable[[tuple[int, ...]], bool], weights: int, limit: int) -> int:
    """Count the choices that `exhaustive` tries; stop beyond a limit."""
    count = 0
    for size in range(1, members + 1):
        for chosen in itertools.combinations(range(members), size):
            count += weights ** (size - 1) if allowed(chosen) else 0
            if count > limit:
                return count
    return count


def _similarities(member: Member, scales: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Return the cosines [q, N] of some queries to the index; `scales` normalise the index."""
    some = member.query.values[queries].astype(np.float32)
    some *= scale_factors(some)[:, np.newaxis]
    index = member.index.values
    out = np.empty((len(queries), len(index)), np.float32)
    for start in range(0, len(index), _ROWS):
        part = slice(start, start + _ROWS)
        out[:, part] = tf.matmul(some, tf.cast(tensor(index[part]), tf.float32), transpose_b=True).numpy()
        out[:, part] *= scales[part]
    return out


def _candidates(similarities: list[np.ndarray], depth: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield for each query the positions [c] of any member's nearest images, ascending, and similarities [M, c]."""
    nearest = np.concatenate([tf.math.top_k(own, depth, sorted=False).indices.numpy() for own in similarities], axis=1)
    for row, neighbours in enumerate(nearest):
        positions = np.unique(neighbours)
        yield positions, np.stack([own[row, positions] for own in similarities])
