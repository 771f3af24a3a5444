"""Score a model on a prepared data set while it trains: on index and query images, and on validation images."""

import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from glr.data.pictures import Pictures, batches
from glr.model.head.base import Head
from glr.model.head.cosine import CosineHead
from glr.retrieval.extraction import Extractor, extract
from glr.retrieval.neighbors import top_k
from glr.retrieval.sets import EvaluationSet
from glr.retrieval.task import Ranking, evaluate


class Validation(NamedTuple):
    """Labelled images that are not trained on, and the head, which classifies them if it has class weights."""

    pictures: Pictures
    head: Head


class Evaluator:
    """Computes every retrieval and recognition metric of a data set, for Public and Private separately.

    Args:
        scored: index and query images, and the task.
        extractor: describes images.
        validation: images to classify, too; None: there are none.
        parallelism: images decoded at once.
        memory: GB for the search.
        dtype: the descriptors' type, float32 or float16.

    Attributes:
        set: index and query images, and the task.
        ranking: the last evaluation's ranking.
        seconds: duration of the last evaluation.
    """

    def __init__(
        self,
        scored: EvaluationSet,
        extractor: Extractor,
        validation: Validation | None = None,
        *,
        parallelism: int,
        memory: float,
        dtype: str,
    ):
        self.set = scored
        self._extractor = extractor
        self._validation = validation
        self._parallelism = parallelism
        self._memory = memory
        self._dtype = dtype
        self.ranking: Ranking | None = None
        self.seconds = 0.0

    def __call__(self, folder: Path) -> dict[str, float]:
        """Evaluate the model with its current weights; return `public/map_at_100`, ..., `validation/accuracy`.

        Args:
            folder: emptied, then filled with the descriptors, `<split>_descriptors.npy` [N, D] and `<split>_ids.txt`,
                and the solutions.
        """
        started = time.monotonic()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        index, query = (
            extract(self._extractor, pictures, folder, name, parallelism=self._parallelism, dtype=self._dtype)
            for name, pictures in (("index", self.set.index), ("query", self.set.query))
        )
        self.set.task.save(folder)
        scores, self.ranking = evaluate(self.set.task, index, query, memory=self._memory)
        if self._validation is not None:
            scores = {"validation/accuracy": self._accuracy(self._validation)} | scores
        self.seconds = time.monotonic() - started
        return scores

    def _accuracy(self, validation: Validation) -> float:
        """The share of validation images whose nearest class, or nearest other image, is of their own class."""
        loaded = batches(
            validation.pictures,
            image_size=self._extractor.image_size,
            batch_size=self._extractor.batch_size,
            parallelism=self._parallelism,
        )
        described = self._extractor.describe(loaded)
        if not isinstance(validation.head, CosineHead):
            return self._neighbors_accuracy(described)
        right = 0
        for names, descriptors in described:
            nearest = tf.argmax(validation.head.cosines(tf.constant(descriptors)), axis=1, output_type=tf.int32).numpy()
            right += int((nearest == np.array([label for _, label in names], np.int32)).sum())
        return right / len(validation.pictures)

    def _neighbors_accuracy(self, described: Iterable[tuple[Sequence[tuple[str, int]], np.ndarray]]) -> float:
        parts = list(described)
        labels = np.array([label for names, _ in parts for _, label in names])
        values = np.concatenate([descriptors for _, descriptors in parts])
        _, nearest = top_k(values, values, 2, memory=self._memory)
        own = np.arange(len(values))
        # The nearest is the image itself, or an earlier one that is equal. A single image has no other.
        other = np.where(nearest[:, 0] == own, nearest[:, -1], nearest[:, 0])
        return float(np.mean((labels[other] == labels) & (other != own)))
