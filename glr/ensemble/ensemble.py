"""An ensemble: runs whose descriptors are joined, and their scores."""

from collections.abc import Sequence
from dataclasses import dataclass

from glr.retrieval.joint import Member, evaluate_joint
from glr.retrieval.task import Ranking, Task
from glr.tracking.history import PastRun


@dataclass(frozen=True)
class Ensemble:
    """The members' runs, descriptors, and weights of their cosines (above 0), all in the same order."""

    runs: Sequence[PastRun]
    members: Sequence[Member]
    weights: Sequence[float]

    @property
    def names(self) -> list[str]:
        """The names of the runs."""
        return [run.name for run in self.runs]

    @property
    def dimension(self) -> int:
        """Dimension of the joint descriptor."""
        return sum(member.dimension for member in self.members)

    def chosen(self, positions: Sequence[int], weights: Sequence[float]) -> "Ensemble":
        """Return an ensemble of some of the members, in the same order, with new weights."""
        order = sorted(zip(positions, weights, strict=True))
        runs = [self.runs[position] for position, _ in order]
        return Ensemble(runs, [self.members[position] for position, _ in order], [weight for _, weight in order])

    def scores(self, task: Task, *, memory: float) -> tuple[dict[str, float], Ranking]:
        """Return `evaluate_joint` of the members."""
        return evaluate_joint(task, self.members, self.weights, memory=memory)
