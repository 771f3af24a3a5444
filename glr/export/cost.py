"""The cost of rounded weights: the scores of a file and of the SavedModel on the same images."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from glr.data.opening import open_stored
from glr.export.export import Cost
from glr.export.formats.format import FileFormat
from glr.model.saved_model import SavedModel
from glr.retrieval.excerpt import excerpt
from glr.retrieval.extraction import Describer, Name, extract
from glr.retrieval.scores import headlines
from glr.retrieval.sets import prepared
from glr.retrieval.task import evaluate


class FileDescriber:
    """Describes images with a written file; see `glr.retrieval.extraction.Describer`."""

    image_size: int | None = None
    batch_size = 64  # images for which a process is started

    def __init__(self, written: FileFormat, file: Path, sizes: Sequence[int], folder: Path):
        self._run = lambda images: written.describe(file, images, sizes, folder)

    def describe(self, loaded: Iterable[tuple[list[Name], Any]]) -> Iterator[tuple[list[Name], np.ndarray]]:
        """Describe batches of images uint8 [H, W, 3]."""
        for names, images in loaded:
            yield names, self._run(images)


def cost(settings: DictConfig, most: int | None, saved_model: Path, file: FileDescriber, folder: Path) -> Cost:
    """Score a file and the SavedModel on the evaluation set of a run.

    Args:
        settings: the run's config.
        most: the most images to describe; a larger set is measured in part: a quarter of them are queries. None: all.
        saved_model: the folder of the SavedModel.
        file: describes images with the file.
        folder: for the descriptors.

    Raises:
        GlrError: the set does not exist or is damaged.
    """
    data, neighbors = open_stored(settings.data), settings.evaluate.gap.neighbors
    total = data.images("index") + data.images("query")
    whole = most is None or total <= most
    queries = 0 if most is None else most // 4
    part = (
        prepared(data, neighbors=neighbors)
        if whole
        else excerpt(data, queries, neighbors=neighbors, index=(most or 0) - queries)
    )
    describers: dict[str, Describer] = {"before": SavedModel(saved_model), "after": file}
    scores = []
    for name, describer in describers.items():
        (folder / name).mkdir()
        index, query = (
            extract(describer, pictures, folder / name, split, parallelism=1)
            for split, pictures in (("index", part.index), ("query", part.query))
        )
        scores.append(headlines(evaluate(part.task, index, query)[0]))
    before, after = scores
    pairs = {name: (before[name], after[name]) for name in before}
    return Cost(pairs, len(part.query), len(part.index), whole)
