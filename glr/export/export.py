"""The result of an export."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """The scores of the SavedModel and of a file with rounded weights, on the same images.

    Attributes:
        scores: for each metric, the SavedModel's value and the file's.
        queries, index: the numbers of images.
        whole: these images are the whole evaluation set.
    """

    scores: Mapping[str, tuple[float, float]]
    queries: int
    index: int
    whole: bool

    def __str__(self) -> str:
        scores = (f"{name} {after:.4f}, SavedModel {before:.4f}" for name, (before, after) in self.scores.items())
        part = "" if self.whole else ", a part of the set"
        return f"{'; '.join(scores)} ({self.queries:,} queries, {self.index:,} index images{part})"


@dataclass(frozen=True)
class Written:
    """A file in a format other than the SavedModel.

    Attributes:
        file: its name.
        megabytes: its size, 10^6 bytes.
        runtime: the library that runs it.
        inputs: its inputs and output, in words.
        any_size: it takes images of any size.
        difference: largest absolute difference between elements of its descriptors and the SavedModel's; None: not
            compared.
        cost: the effect of weights in float16; None: not measured, or all weights are float32.
    """

    file: str
    megabytes: float
    runtime: str
    inputs: str
    any_size: bool
    difference: float | None
    cost: Cost | None


@dataclass(frozen=True)
class Export:
    """The written files, and the check of the written model.

    Attributes:
        output: the folder.
        dimension: the descriptor's dimension.
        megabytes: size of submission.zip, 10^6 bytes; None: the SavedModel is not among the formats.
        images: number of images on which the model's descriptors were compared with the reference.
        reference: the source of the reference descriptors.
        difference: largest absolute difference between elements of descriptors; None: not compared.
        written: files in other formats.
        registered: name and version in MLflow's model registry; None: not registered.
    """

    output: str
    dimension: int
    megabytes: float | None
    images: int
    reference: str
    difference: float | None
    written: tuple[Written, ...] = ()
    registered: tuple[str, int] | None = None

    @property
    def files(self) -> list[str]:
        """The names of the files and folders in the output."""
        own = [] if self.megabytes is None else ["saved_model/", "submission.zip"]
        return [*own, *(each.file for each in self.written), "model_card.md"]
