"""Runs grouped into configurations: runs that differ in nothing but the seed."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from glr.config.identity import EVALUATION, is_circumstance
from glr.tracking.history import PastRun
from glr.tracking.rows import MODEL, SETTING

_NOT_SETTINGS = frozenset(["study", "name", "index", "highlights", "seed", "experiment"])
_DERIVED = frozenset(["parameters", "trainable_parameters", "classes", "train_images", "steps_per_epoch"])
_PLACES = ("prepared", "index", "queries", "revisited", "images")  # of the images of an evaluation


@dataclass(frozen=True)
class Configuration:
    """Runs of the same settings but for the seed; an ensemble or an evaluation is a configuration of its own.

    Attributes:
        key: identifies the configuration and its data set.
        kind: train, ensemble or evaluation.
        index: number of the row, from 1, in order of the first run's start; a run's own `index` if it has one.
        settings: what tells it from the other configurations: a choice (`head`: `arcface`) or a value.
        labels: the settings as tables print them (`head`: `ArcFace`).
        runs: in order of seed.
    """

    key: str
    kind: str
    index: int
    settings: Mapping[str, str]
    labels: Mapping[str, str]
    runs: tuple[PastRun, ...]

    @property
    def name(self) -> str:
        """What tells it from the others, in words; the first run's name if nothing does."""
        parts = [text if "." not in key else f"{key}={text}" for key, text in self.labels.items()]
        return ", ".join(parts) or self.runs[0].name

    @property
    def finished(self) -> tuple[PastRun, ...]:
        """The runs that have scores."""
        return tuple(run for run in self.runs if run.status == "FINISHED")

    @property
    def seeds(self) -> list[str]:
        """The seeds of the finished runs."""
        return [run.params.get("seed", "") for run in self.finished]
