"""Extraction: images to descriptors, in batches of one fixed size."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf
from tqdm import tqdm

Name = TypeVar("Name")


class Extractor:
    """Describes images over all replicas; compiled once, at its first batch.

    Args:
        describe: from uint8 images [b, S, S, 3] to float32 [b, D], run on each replica.
        strategy: where to compute.
        batch_size: images per call at most; rounded up to a multiple of the number of replicas.
    """

    def __init__(self, describe: Callable[[Any], Any], strategy: tf.distribute.Strategy, batch_size: int):
        self._strategy = strategy
        self._share = -(-batch_size // strategy.num_replicas_in_sync)
        self.batch_size = self._share * strategy.num_replicas_in_sync
        self._compiled = tf.function(lambda parts: strategy.gather(strategy.run(describe, (parts,)), axis=0))

    def __call__(
        self, batches: Iterable[tuple[list[Name], np.ndarray]], images: int, name: str
    ) -> tuple[list[Name], np.ndarray]:
        """Describe every image.

        Args:
            batches: (what names each image, images uint8 [B, S, S, 3]), B at most `batch_size`.
            images: how many there are, for the progress bar.
            name: the progress bar's.

        Returns:
            The names, and descriptors float32 [N, D] in the same order.
        """
        names: list[Name] = []
        blocks: list[np.ndarray] = []
        with tqdm(total=images, unit=" images", desc=name, leave=False, disable=None) as bar:
            for some, pixels in batches:
                blocks.append(self._describe(pixels)[: len(some)])
                names += some
                bar.update(len(some))
        return names, np.concatenate(blocks)

    def _describe(self, pixels: np.ndarray) -> np.ndarray:
        # Every call has the same shape: a smaller batch is filled up with black images.
        full = np.zeros((self.batch_size, *pixels.shape[1:]), np.uint8)
        full[: len(pixels)] = pixels

        def part(context: Any) -> tf.Tensor:
            start = context.replica_id_in_sync_group * self._share
            return tf.constant(full[start : start + self._share])

        return self._compiled(self._strategy.experimental_distribute_values_from_function(part)).numpy()
