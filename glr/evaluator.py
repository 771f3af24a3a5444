"""Score a model on a prepared data set: describe index and queries, find neighbours, compute the metrics."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from glr.data.pictures import StoredPictures, batches
from glr.data.prepared import PreparedData
from glr.retrieval.evaluation import evaluate
from glr.retrieval.extraction import Extractor
from glr.retrieval.solution import read_solution

_BLOCK = 256  # images compared with all classes at once


class Evaluator:
    """Computes every retrieval and recognition metric of a data set, Public and Private apart.

    Args:
        data: with index and query images and their solutions, which are read at once.
        extractor: describes images.
        image_size: pixels.
        parallelism: images decoded at once.
        neighbors: nearest images that classify a query.
        head: knows the train classes; scores the split `validation`, which is not trained on. None: no such split.
    """

    def __init__(
        self,
        data: PreparedData,
        extractor: Extractor,
        *,
        image_size: int,
        parallelism: int,
        neighbors: int,
        head: Any = None,
    ):
        self._data = data
        self._extractor = extractor
        self._image_size = image_size
        self._parallelism = parallelism
        self._neighbors = neighbors
        self._head = head
        self._retrieval = read_solution(data.file("retrieval_solution.csv"))
        self._recognition = read_solution(data.file("recognition_solution.csv"))
        self.described: dict[str, tuple[list[str], np.ndarray]] = {}

    def __call__(self) -> dict[str, float]:
        """Evaluate the model as it is now: `public/map_at_100`, `private/gap`, ..., `validation/accuracy`.

        The ids and descriptors of both splits stay in `described` until the next call.
        """
        self.described = {split: self._describe(split) for split in ("index", "query")}
        index_ids, index = self.described["index"]
        query_ids, queries = self.described["query"]
        classes = self._data.index_classes
        validation = {} if self._head is None else {"validation/accuracy": self._accuracy()}
        return validation | evaluate(
            index_ids,
            [classes[image_id] for image_id in index_ids],
            index,
            query_ids,
            queries,
            self._retrieval,
            self._recognition,
            neighbors=self._neighbors,
        )

    def save(self, folder: Path) -> list[Path]:
        """Write the last call's descriptors: `<split>_descriptors.npy` float32 [N, D] and `<split>_ids.txt`."""
        files = []
        for split, (ids, values) in self.described.items():
            files += [folder / f"{split}_descriptors.npy", folder / f"{split}_ids.txt"]
            np.save(files[-2], values)
            files[-1].write_text("".join(f"{image_id}\n" for image_id in ids))
        return files

    def _accuracy(self) -> float:
        """The share of the validation images whose nearest class is their own."""
        names, descriptors = self._extract("validation")
        labels = np.array([label for _, label in names], np.int32)
        right = 0
        for start in range(0, len(labels), _BLOCK):
            cosines = self._head.cosines(descriptors[start : start + _BLOCK])
            nearest = tf.argmax(cosines, axis=1, output_type=tf.int32).numpy()
            right += int((nearest == labels[start : start + _BLOCK]).sum())
        return right / len(labels)

    def _describe(self, split: str) -> tuple[list[str], np.ndarray]:
        names, descriptors = self._extract(split)
        return [image_id for image_id, _ in names], descriptors

    def _extract(self, split: str) -> tuple[list[tuple[str, int]], np.ndarray]:
        pictures = StoredPictures(self._data, split)
        found = batches(
            pictures,
            image_size=self._image_size,
            batch_size=self._extractor.batch_size,
            parallelism=self._parallelism,
        )
        return self._extractor(found, len(pictures), f"describe {split}")
