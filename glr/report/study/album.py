"""The pictures and the right answers of the set that a run was scored on, as far as this machine has them."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import numpy as np

from glr import storage
from glr.data.pictures import Pictures, StoredPictures, picture
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from glr.retrieval import descriptors, sets
from glr.retrieval.task import Task
from glr.tracking.history import PastRun

_LARGE = 5_000  # images: a larger set's ids are not read from its shards, which takes as long as reading all images


class Album:
    """Pictures and right answers by id.

    Args:
        task: knows the right answers.
        index, query: the pictures.
        index_ids, query_ids: their ids, in the same order.
    """

    def __init__(
        self, task: Task, index: Pictures, query: Pictures, index_ids: Sequence[str], query_ids: Sequence[str]
    ):
        self._answers = list(task.answers().values())
        self._index = index, {name: place for place, name in enumerate(index_ids)}
        self._query = query, {name: place for place, name in enumerate(query_ids)}

    def right(self, query: str) -> AbstractSet[str]:
        """Return the ids of the index images that are right for a query."""
        return next((answers[query] for answers in self._answers if query in answers), frozenset())

    def index(self, name: str) -> np.ndarray | None:
        """Return an index image, uint8 RGB [H, W, 3]; None: the set has none of this id, or it cannot be read."""
        return _pixels(*self._index, name)

    def query(self, name: str) -> np.ndarray | None:
        """Return a query's image; see `index`."""
        return _pixels(*self._query, name)


def album_of(run: PastRun) -> Album:
    """Open the prepared set that a run was scored on.

    Raises:
        GlrError: the set is not at hand: it is not on this machine, or has changed, or is too large to look for ids.
    """
    path = run.params.get("prepared", "null")
    path = run.params.get("data.path", "null") if path == "null" else path
    if path == "null" or storage.is_bucket(path):
        raise GlrError(f"the images that {run.name} was scored on are not on this machine")
    data = PreparedData(path)
    if data.digest != run.tags.get("data_digest", data.digest):
        raise GlrError(f"{path} has changed since {run.name} was scored on it")
    scored = sets.prepared(data, neighbors=1)
    return Album(scored.task, scored.index, scored.query, *(_ids(run, data, split) for split in ("index", "query")))


def _ids(run: PastRun, data: PreparedData, split: str) -> list[str]:
    """Return a split's ids, in order: those of the run's descriptors, or those in the shards of a small set."""
    try:
        file = run.stored(descriptors.files(Path("descriptors"), split)[0].as_posix())
    except GlrError:
        if data.images(split) > _LARGE:
            raise
        return list(StoredPictures(data, split).ids())
    ids = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    if len(ids) != data.images(split):
        raise GlrError(f"the descriptors of {run.name} are not those of {data.path}")
    return ids


def _pixels(pictures: Pictures, places: dict[str, int], name: str) -> np.ndarray | None:
    place = places.get(name)
    try:
        return None if place is None else picture(pictures, place).pixels
    except (GlrError, OSError):
        return None  # one damaged image ends no report
