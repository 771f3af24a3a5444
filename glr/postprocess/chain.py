"""The steps between description and search: whitening, database augmentation, query expansion, in this order."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from glr.retrieval.descriptors import Descriptors

_ROWS = 65_536  # descriptors whitened at once


def postprocessed(
    index: Descriptors,
    query: Descriptors,
    *,
    whitening: Any,
    database_augmentation: Any,
    query_expansion: Any,
    train: Callable[[int | None], np.ndarray],
    folder: Path,
    memory: float,
    after: Callable[[str, Descriptors, Descriptors], object] = lambda *_: None,
) -> tuple[Descriptors, Descriptors]:
    """Apply the steps to index and queries; return the descriptors to search with.

    Args:
        index, query: the descriptors as extracted.
        whitening, database_augmentation, query_expansion: choices of these groups.
        train: maps a number of train images (None: all) to their descriptors; called only if something is learned.
        folder: folder for the results, which are memory-mapped.
        memory: GB for each search.
        after: called after each step that changes something, with the step's group, the index and the queries.
    """
    projection = whitening.learn(train)
    if projection is not None:
        size = projection.dimension
        index = _written(folder / "white_index.npy", index, map(projection, _parts(index.values)), size)
        query = _written(folder / "white_query.npy", query, map(projection, _parts(query.values)), size)
        after("whitening", index, query)
    size = index.values.shape[1]
    if database_augmentation.neighbors:
        moved = database_augmentation.index(index.values, memory=memory)
        index = _written(folder / "augmented_index.npy", index, moved, size)
        after("database_augmentation", index, query)
    if query_expansion.neighbors:
        moved = query_expansion.queries(query.values, index.values, memory=memory)
        query = _written(folder / "expanded_query.npy", query, moved, size)
        after("query_expansion", index, query)
    return index, query


def _parts(values: np.ndarray) -> Iterable[np.ndarray]:
    return (values[start : start + _ROWS] for start in range(0, len(values), _ROWS))


def _written(file: Path, before: Descriptors, parts: Iterable[np.ndarray], dimension: int) -> Descriptors:
    values = np.lib.format.open_memmap(file, "w+", np.float32, (len(before.ids), dimension))
    start = 0
    for part in parts:
        values[start : start + len(part)] = part
        start += len(part)
    return Descriptors(before.ids, values)
