"""The members of an export: the runs whose models it joins."""

from collections.abc import Sequence
from dataclasses import dataclass

from omegaconf import DictConfig

from glr.config.values import Precision
from glr.errors import GlrError
from glr.model.loading import load_model, read_config
from glr.model.network import RetrievalModel
from glr.tracking.history import WEIGHTS, PastRun


@dataclass(frozen=True)
class Members:
    """The runs, their configs, and the weights of their similarities.

    Attributes:
        runs, settings, weights: one each per member.
        checkpoint: the stored weights to load, last or best.
    """

    runs: Sequence[PastRun]
    settings: Sequence[DictConfig]
    weights: Sequence[float]
    checkpoint: str

    @classmethod
    def of(cls, config: DictConfig, runs: Sequence[PastRun]) -> "Members":
        """Read the runs' configs.

        Args:
            config: composed from conf/export.yaml.
            runs: the runs.

        Raises:
            GlrError: a run trained no model, or its config is damaged or names classes that are not trusted.
        """
        for run in runs:
            if "classes" not in run.params:
                raise GlrError(f"run {run.name} ({run.id}) trained no model that could be exported")
        settings = [read_config(run.stored("config.yaml"), config.trust, f"run {run.name}") for run in runs]
        return cls(runs, settings, list(config.weights or [1.0] * len(runs)), config.checkpoint.value)

    @property
    def dimension(self) -> int:
        """D, of the joint descriptor."""
        return sum(own.model.embedding_size for own in self.settings)

    @property
    def sizes(self) -> list[int]:
        """The image size of each member, pixels."""
        return [own.data.image_size for own in self.settings]

    @property
    def half(self) -> list[str]:
        """The members that compute in half precision, in words."""
        mixed = [(run, own.train.precision) for run, own in zip(self.runs, self.settings, strict=True)]
        return [f"{run.name} in {precision.value}" for run, precision in mixed if precision != Precision.float32]

    def models(self, precision: Precision | None = None) -> list[RetrievalModel]:
        """Load the models in a precision; None: each in its run's.

        Raises:
            GlrError: a run has no weights, or they do not fit.
        """
        loaded = []
        for run, own in zip(self.runs, self.settings, strict=True):
            settings = own.copy()
            settings.train.precision = precision or own.train.precision
            file = run.stored(WEIGHTS.format(self.checkpoint))
            loaded.append(load_model(settings, int(run.params["classes"]), file))
        return loaded
