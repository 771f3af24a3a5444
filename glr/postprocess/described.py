"""Descriptors to search with: a model describes a set, and the steps that a command's settings choose process them."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from glr.config.component import build
from glr.config.identity import RESULT_VERSION
from glr.data.pictures import FirstPictures, Pictures, StoredPictures
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from glr.postprocess.chain import postprocessed
from glr.postprocess.whitening import Unwhitened
from glr.retrieval.descriptors import Descriptors
from glr.retrieval.extraction import extract
from glr.retrieval.sets import ImageSet
from glr.retrieval.trained import TrainedModel
from glr.storage.lock import held


class Description:
    """Describes sets with a model, and keeps the descriptors, so that the same images are not described twice.

    Args:
        config: has `whitening`, `database_augmentation`, `query_expansion`, `prepared`, `descriptors`, `cache`,
            `parallelism` and `memory`, as in conf/evaluate.yaml.
        model: describes the images.

    Raises:
        GlrError: whitening is to be learned, but no train set is known.
    """

    def __init__(self, config: DictConfig, model: TrainedModel):
        self._config, self._model = config, model
        self._trained_on = model.data or (config.prepared and (lambda: PreparedData(config.prepared)))
        self._whitening = build(config.whitening)
        if self._trained_on is None and not isinstance(self._whitening, Unwhitened):
            raise GlrError("whitening is learned on a train set: a SavedModel has none, give prepared=FOLDER")

    def of_set(self, images: ImageSet) -> tuple[Descriptors, Descriptors]:
        """Describe a set's index images and queries; see `of`."""
        return self.of(images.index, "index", images.digest), self.of(images.query, "query", images.digest)

    def of(self, pictures: Pictures, name: str, digest: str) -> Descriptors:
        """Describe pictures, or return their descriptors of before.

        Args:
            pictures: the pictures.
            name: index, query or train.
            digest: identifies the set that they belong to.

        Raises:
            GlrError: an image cannot be decoded.
        """
        config, model = self._config, self._model
        dtype = config.descriptors.value
        key = [RESULT_VERSION, model.fingerprint, model.describer.image_size, digest, name, len(pictures), dtype]
        with _held(Path(config.cache), key) as folder:
            return extract(model.describer, pictures, folder, name, parallelism=config.parallelism, dtype=dtype)

    def processed(
        self,
        index: Descriptors,
        query: Descriptors,
        folder: Path,
        after: Callable[[str, Descriptors, Descriptors], object] = lambda *_: None,
    ) -> tuple[Descriptors, Descriptors]:
        """Whiten, augment and expand descriptors, as far as the settings choose; see `postprocessed`."""
        config = self._config
        return postprocessed(
            index,
            query,
            whitening=self._whitening,
            database_augmentation=build(config.database_augmentation),
            query_expansion=build(config.query_expansion),
            train=self._train,
            folder=folder,
            memory=config.memory,
            after=after,
        )

    def _train(self, images: int | None) -> np.ndarray:
        assert self._trained_on
        data = self._trained_on()
        return self.of(FirstPictures(StoredPictures(data, "train"), images), "train", data.digest).values


@contextmanager
def _held(root: Path, key: Sequence[object]) -> Iterator[Path]:
    """Yield the folder for a key, locked against other processes."""
    folder = root / hashlib.blake2b(json.dumps(key).encode(), digest_size=10).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder / ".lock"):
        yield folder
