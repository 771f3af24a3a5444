"""The images on which an export is tried, and the descriptors that it must give."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from omegaconf import DictConfig

from glr.data.opening import open_stored
from glr.data.pictures import StoredPictures, batches
from glr.errors import GlrError
from glr.export.members import Members
from glr.export.model import shares
from glr.model.network import RetrievalModel
from glr.retrieval import descriptors
from glr.tracking.history import PastRun


def images(settings: DictConfig, count: int) -> tuple[list[np.ndarray], list[str]]:
    """The first query images of a run's data set, unchanged, and their ids."""
    data = open_stored(settings.data)
    loaded = batches(StoredPictures(data, "query"), image_size=None, batch_size=count, parallelism=1)
    names, pixels = next(loaded)
    return pixels, [image_id for image_id, _ in names]


def expected(members: Members, models: Sequence[RetrievalModel], names: Sequence[str]) -> tuple[np.ndarray, str]:
    """The descriptors [n, D] that the runs stored or that their models give now, and a text that names the source.

    Args:
        members: the members.
        models: their models.
        names: the ids of the first query images.
    """
    parts, sources = [], set()
    factors = shares(members.weights)
    for run, own, model, share in zip(members.runs, members.settings, models, factors, strict=True):
        values = _stored(run, names) if members.checkpoint == "last" else None
        sources.add("the descriptors of training" if values is not None else "the model in training's pipeline")
        if values is None:
            pictures = StoredPictures(open_stored(own.data), "query")
            loaded = batches(pictures, image_size=model.image_size, batch_size=len(names), parallelism=1)
            values = np.asarray(model.describe(tf.constant(next(loaded)[1])))
        parts.append(share * values)
    return np.concatenate(parts, axis=1), " and ".join(sorted(sources))


def _stored(run: PastRun, names: Sequence[str]) -> np.ndarray | None:
    """The descriptors that a run stored for some queries; None: some are missing, or they are in half precision."""
    try:
        ids, values = descriptors.load(run.stored("descriptors"), "query")
    except GlrError:
        return None
    if values.dtype != np.float32 or not set(names) <= set(ids):
        return None
    return values[[ids.index(name) for name in names]]
