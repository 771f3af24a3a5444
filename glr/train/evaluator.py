"""Score a model on a prepared data set while it trains: on index and query images, and on validation images."""

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from glr.data.pictures import StoredPictures, batches
from glr.data.prepared import PreparedData
from glr.retrieval import sets
from glr.retrieval.extraction import Extractor, extract
from glr.retrieval.task import Ranking, evaluate


class Evaluator:
    """Computes every retrieval and recognition metric of a data set, for Public and Private separately.

    Args:
        data: has index and query images and their solutions; the constructor reads the solutions.
        extractor: describes images.
        parallelism: images decoded at once.
        neighbors: nearest images that classify a query.
        memory: GB for the search.
        dtype: the descriptors' type, float32 or float16.
        head: classifies images of the split `validation`, which is not trained on; None: there is no such split.

    Attributes:
        set: index and query images, and the task.
        ranking: the last evaluation's ranking.
        seconds: duration of the last evaluation.
    """

    def __init__(
        self,
        data: PreparedData,
        extractor: Extractor,
        *,
        parallelism: int,
        neighbors: int,
        memory: float,
        dtype: str,
        head: Any = None,
    ):
        self.set = sets.prepared(data, neighbors=neighbors)
        self._data = data
        self._extractor = extractor
        self._parallelism = parallelism
        self._memory = memory
        self._dtype = dtype
        self._head = head
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
        if self._head is not None:
            scores = {"validation/accuracy": self._accuracy()} | scores
        self.seconds = time.monotonic() - started
        return scores

    def _accuracy(self) -> float:
        """The share of validation images whose nearest class is their own."""
        loaded = batches(
            StoredPictures(self._data, "validation"),
            image_size=self._extractor.image_size,
            batch_size=self._extractor.batch_size,
            parallelism=self._parallelism,
        )
        right = 0
        for names, descriptors in self._extractor.describe(loaded):
            nearest = tf.argmax(self._head.cosines(descriptors), axis=1, output_type=tf.int32).numpy()
            right += int((nearest == np.array([label for _, label in names], np.int32)).sum())
        return right / self._data.images("validation")
