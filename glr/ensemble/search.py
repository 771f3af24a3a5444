"""Search for the best ensemble of some members, on the Public queries only, or on all if there is no division."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from glr.config.usages import metric_name
from glr.ensemble.combining import Candidates, Choice, combinations, exhaustive, greedy
from glr.errors import GlrError
from glr.retrieval.joint import Member
from glr.retrieval.landmarks import LandmarkTask
from glr.retrieval.metrics import RECOGNITION_METRICS

MOST_MEMBERS = 20
MOST_COMBINATIONS = 100_000
_DEPTHS = {True: 50, False: 1000}  # key: True for recognition, which uses few neighbours


@dataclass(frozen=True)
class EnsembleLimits:
    """Limits of an ensemble: its number of members, and the size of its descriptor (None: any)."""

    members: int
    dimension: int | None

    def allow(self, members: Sequence[Member]) -> bool:
        """Return True if these members may be an ensemble."""
        dimension = sum(member.dimension for member in members)
        return len(members) <= self.members and (self.dimension is None or dimension <= self.dimension)


def search(
    members: Sequence[Member],
    task: LandmarkTask,
    score: str,
    *,
    method: str,
    limits: EnsembleLimits,
    weights: Sequence[float],
    depth: int | None,
    memory: float,
) -> list[Choice]:
    """Try the ensembles that the method selects.

    Args:
        members: descriptors of the same images, 20 members at most.
        task: holds the solutions.
        score: a metric of the task.
        method: greedy or exhaustive.
        limits: the limits of an ensemble.
        weights: weights to try for each member after the first.
        depth: nearest images of each member that can rank, see `Candidates`; None: 50 for recognition, else 1,000.
        memory: GB for the similarities of a block of queries.

    Returns:
        All choices tried, the best first; among equal scores, the fewest members first.

    Raises:
        GlrError: too many members or combinations, no member within the limits, or the task has no such metric.
    """

    def allowed(chosen: tuple[int, ...]) -> bool:
        return limits.allow([members[position] for position in chosen])

    _check(members, limits, allowed, len(weights) if method == "exhaustive" else None)
    recognition = score in RECOGNITION_METRICS
    solution = task.recognition if recognition else task.retrieval
    if solution is None:
        raise GlrError(f"score={score}: the members were evaluated without the solution that it needs")
    solutions = (None, solution) if recognition else (solution, None)
    part = LandmarkTask(*solutions, task.index_classes, neighbors=task.neighbors)
    usage = solution.usages[0]
    queries = [n for n, query in enumerate(members[0].query.ids) if solution.usage.get(query) == usage]
    depth = _DEPTHS[recognition] if depth is None else depth
    ranks = part.ranks(len(members[0].index.ids))
    candidates = Candidates(members, np.array(queries), depth=max(depth, ranks), memory=memory)

    def scored(sums: np.ndarray) -> float:
        return part.score(candidates.ranking(sums, ranks), [usage])[metric_name(usage, score)]

    tried = {"greedy": greedy, "exhaustive": exhaustive}[method](candidates.similarities, scored, allowed, weights)
    return sorted(tried, key=lambda choice: (-choice.score, len(choice.members)))


def _check(
    members: Sequence[Member],
    limits: EnsembleLimits,
    allowed: Callable[[tuple[int, ...]], bool],
    weights: int | None,
) -> None:
    """Refuse a search that is too large or has no member; `weights` is the number of weights, None if greedy."""
    if len(members) > MOST_MEMBERS:
        raise GlrError(f"a search accepts at most {MOST_MEMBERS} members, not {len(members)}; leave the worst out")
    smallest = min(members, key=lambda member: member.dimension)
    if not limits.allow([smallest]):
        raise GlrError(
            f"ensemble.max_dimension={limits.dimension}: the smallest member has {smallest.dimension} dimensions"
        )
    if weights and combinations(len(members), allowed, weights, MOST_COMBINATIONS) > MOST_COMBINATIONS:
        raise GlrError(
            f"ensemble.search=exhaustive would try more than {MOST_COMBINATIONS:,} combinations; "
            "lower ensemble.max_members, leave members out, or search greedily"
        )
