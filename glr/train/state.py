"""The state of a training without its weights: a checkpoint holds both."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Best:
    """The best evaluated epoch so far; the checkpoint of this step holds its weights."""

    score: float
    epoch: int
    step: int


@dataclass
class EpochSums:
    """Sums over the steps of the current epoch; seconds add up over all processes that trained it."""

    loss: float = 0.0
    penalty: float = 0.0
    accuracy: float = 0.0
    steps: int = 0  # in the sums
    skipped: int = 0
    seconds: float = 0.0
    waited: float = 0.0  # seconds of waiting for images, part of `seconds`


@dataclass
class State:
    """The position of a training.

    Attributes:
        step: steps done.
        sums: of the current epoch.
        skipped: batches skipped because of their gradients, in the whole run.
        evaluated: epochs whose evaluation is done or not wanted.
        best: the best evaluated epoch.
        scores: the latest scores of the "untrained" and the "trained" model.
        metrics: all recorded metrics, from `Recorder.metrics_so_far`.
    """

    step: int = 0
    sums: EpochSums = field(default_factory=EpochSums)
    skipped: int = 0
    evaluated: int = 0
    best: Best | None = None
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    metrics: list[object] = field(default_factory=list)

    def begin_epoch(self, steps_per_epoch: int) -> None:
        """Reset the sums for the next epoch, unless it is under way or only its record is missing."""
        if self.step == self.evaluated * steps_per_epoch:
            self.sums = EpochSums()

    def finish_epoch(self) -> None:
        """Count the epoch as done, evaluated or not; its sums stay until the next epoch begins."""
        self.evaluated += 1

    def as_json(self) -> dict[str, object]:
        """The state as plain values; JSON keeps every bit of a number."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "State":
        """The state with the values of `as_json`."""
        best = values["best"]
        return cls(**values | {"sums": EpochSums(**values["sums"]), "best": None if best is None else Best(**best)})
