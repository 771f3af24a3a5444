"""Where a training stands, apart from its weights: what a checkpoint holds beside them."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Best:
    """The evaluated epoch that is best so far; its weights are those of the checkpoint of this step."""

    score: float
    epoch: int
    step: int


@dataclass
class EpochSums:
    """Sums over the steps of the epoch under way; seconds are of all processes that had a part in it."""

    loss: float = 0.0
    penalty: float = 0.0
    accuracy: float = 0.0
    steps: int = 0  # that count in the sums
    skipped: int = 0
    seconds: float = 0.0
    waited: float = 0.0  # of the seconds, for images


@dataclass
class State:
    """The position of a training.

    Attributes:
        step: steps done.
        sums: of the epoch under way.
        skipped: batches left out for their gradients, in all.
        evaluated: epochs whose evaluation is done, or was not asked for.
        best: the best evaluated epoch.
        scores: the latest of "untrained" and "trained".
        metrics: all that was recorded, as journal entries.
    """

    step: int = 0
    sums: EpochSums = field(default_factory=EpochSums)
    skipped: int = 0
    evaluated: int = 0
    best: Best | None = None
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    metrics: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """As plain values; JSON keeps every bit of a number."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "State":
        """From what `as_json` gave."""
        best = values["best"]
        return cls(**values | {"sums": EpochSums(**values["sums"]), "best": None if best is None else Best(**best)})
