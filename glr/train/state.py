"""The state of a training run, without its weights: a checkpoint holds both."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Best:
    """The best evaluated epoch so far; the checkpoint of `step` holds its weights."""

    score: float
    epoch: int
    step: int


@dataclass
class EpochSums:
    """Sums over the steps of the current epoch; times add up over all processes that trained the epoch."""

    loss: float = 0.0
    penalty: float = 0.0
    accuracy: float = 0.0
    steps: int = 0  # steps summed
    skipped: int = 0
    seconds: float = 0.0
    waited: float = 0.0  # seconds of waiting for images, part of `seconds`


@dataclass
class State:
    """How far a run has trained.

    Attributes:
        step: steps done.
        sums: sums over the current epoch.
        skipped: batches skipped in the whole run, for gradients that are not finite.
        evaluated: number of finished epochs, including those not due for evaluation.
        best: the best evaluated epoch.
        scores: the latest scores of the "trained" and of the "untrained" (or "initial") model.
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
        """Reset the sums if an epoch begins; keep the sums of an epoch that is unfinished or not recorded yet."""
        if self.step == self.evaluated * steps_per_epoch:
            self.sums = EpochSums()

    def finish_epoch(self) -> None:
        """Count the epoch as done, evaluated or not; its sums stay until the next epoch begins."""
        self.evaluated += 1

    def as_json(self) -> dict[str, object]:
        """Return the state as plain values; JSON keeps floats exact."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "State":
        """Restore the state from the values of `as_json`."""
        best = values["best"]
        return cls(**values | {"sums": EpochSums(**values["sums"]), "best": None if best is None else Best(**best)})
