"""Extraction: describe images in batches of a fixed size, into files that an interrupted run continues."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import tensorflow as tf

from glr.config.printing import progress_bar, say
from glr.data.pictures import Pictures, batches
from glr.errors import GlrError, is_out_of_memory
from glr.retrieval import descriptors
from glr.retrieval.descriptors import Descriptors, DescriptorWriter

Name = TypeVar("Name")


class Describer(Protocol):
    """A model that describes images.

    Attributes:
        image_size: S, the side in pixels of the square images that it takes; None: images of any size.
        batch_size: images per batch.
    """

    image_size: int | None
    batch_size: int

    def describe(self, loaded: Iterable[tuple[list[Name], Any]]) -> Iterator[tuple[list[Name], np.ndarray]]:
        """Map batches of (names of the images, images) to (names, descriptors float32 [b, D])."""
        ...


class Extractor:
    """Describes images over all replicas; compiled once, at its first batch.

    Args:
        model: has `image_size`, and `describe`, which maps uint8 images [b, S, S, 3] to float32 [b, D] on each replica.
        strategy: where to compute.
        batch_size: the most images per call; rounded up to a multiple of the number of replicas.
    """

    def __init__(self, model: Any, strategy: tf.distribute.Strategy, batch_size: int):
        self._model = model
        self._smaller: dict[int, Extractor] = {}
        self._strategy = strategy
        self._share = -(-batch_size // strategy.num_replicas_in_sync)
        self.batch_size = self._share * strategy.num_replicas_in_sync
        self.image_size: int | None = model.image_size
        self._compiled = tf.function(
            lambda parts: strategy.gather(strategy.run(model.describe, (parts,)), axis=0), autograph=False
        )

    def describe(self, loaded: Iterable[tuple[list[Name], np.ndarray]]) -> Iterator[tuple[list[Name], np.ndarray]]:
        """Describe batches of uint8 images [b, S, S, 3], b at most `batch_size`.

        A batch's result is fetched once the next batch has started, so that the device does not wait for the host.

        Raises:
            GlrError: the device's memory is too small for a batch.
        """
        before: tuple[list[Name], tf.Tensor] | None = None
        try:
            for names, pixels in loaded:
                now = names, self._begin(pixels)
                if before is not None:
                    yield self._fetched(*before)
                before = now
            if before is not None:
                yield self._fetched(*before)
        except tf.errors.ResourceExhaustedError as error:
            if not is_out_of_memory(error):
                raise
            raise GlrError(
                f"describing {self.batch_size} images at once needs more memory than the device has; give a smaller "
                "batch size (evaluate.batch_size; in evaluations batch_size)"
            ) from error

    def sized(self, images: int) -> "Extractor":
        """Return an extractor whose batch size is the smallest power of two that holds `images`; at most its own.

        Each size is compiled once.
        """
        size = 2 ** (max(images, 1) - 1).bit_length()
        if size >= self.batch_size:
            return self
        if size not in self._smaller:
            self._smaller[size] = Extractor(self._model, self._strategy, size)
        return self._smaller[size]

    def _begin(self, pixels: np.ndarray) -> tf.Tensor:
        if len(pixels) < self.batch_size:  # pad a smaller batch with black: every call has the same shape
            pixels = np.pad(pixels, ((0, self.batch_size - len(pixels)), *[(0, 0)] * (pixels.ndim - 1)))

        def part(context: tf.distribute.experimental.ValueContext) -> tf.Tensor:
            start = context.replica_id_in_sync_group * self._share
            return tf.constant(pixels[start : start + self._share])

        return self._compiled(self._strategy.experimental_distribute_values_from_function(part))

    @staticmethod
    def _fetched(names: list[Name], described: tf.Tensor) -> tuple[list[Name], np.ndarray]:
        return names, described.numpy()[: len(names)]


def extract(
    describer: Describer, pictures: Pictures, folder: Path, name: str, *, parallelism: int, dtype: str = "float32"
) -> Descriptors:
    """Describe all images into files: `<name>_descriptors.npy` [N, D], `<name>_ids.txt` and their checksums.

    Complete files are reused and interrupted ones continued, so a folder must belong to one model, one set and one way
    of describing it.

    Args:
        describer: the model.
        pictures: the N images.
        folder: must exist.
        name: names the files and the progress bar.
        parallelism: threads that decode.
        dtype: the stored type, float32 or float16.

    Returns:
        Ids and memory-mapped descriptors, in the order of the pictures.

    Raises:
        GlrError: there are no images, an image cannot be decoded, or its descriptor holds NaN or has another length.
    """
    if not len(pictures):
        raise GlrError(f"there are no {name} images to describe")
    stored = descriptors.files(folder, name)
    if all(file.is_file() for file in stored):
        try:
            earlier = descriptors.load(folder, name)
            descriptors.check_finite(*earlier)
            return earlier
        except GlrError:
            say(f"{stored[1]} is damaged; its images are described again", file=sys.stderr)
    writer = DescriptorWriter(folder, name, len(pictures), dtype)
    loaded = batches(
        pictures,
        image_size=describer.image_size,
        batch_size=describer.batch_size,
        parallelism=parallelism,
        first=writer.done,
    )
    with progress_bar(
        total=len(pictures), initial=writer.done, unit=" images", desc=f"describe {name}", leave=False
    ) as bar:
        for names, values in describer.describe(loaded):
            writer.append([image_id for image_id, _ in names], values)
            bar.update(len(names))
    return writer.close()
