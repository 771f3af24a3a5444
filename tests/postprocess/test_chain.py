"""Whitening, database augmentation and query expansion, one after the other, against dense matrices."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glr.postprocess import chain
from glr.postprocess.chain import postprocessed
from glr.postprocess.expansion import AlphaExpansion, Unexpanded
from glr.postprocess.whitening import PCA, Unwhitened
from glr.retrieval.descriptors import Descriptors


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def drawn(seed: int, count: int) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal((count, 6)) * [5, 4, 3, 2, 1, 1]
    return unit(values + 1).astype(np.float32)


INDEX, QUERY, TRAIN = drawn(0, 50), drawn(1, 7), drawn(2, 200)
NOTHING = {"whitening": Unwhitened(), "database_augmentation": Unexpanded(), "query_expansion": Unexpanded()}


def run(folder: Path, **choices: Any) -> tuple[Descriptors, Descriptors]:
    index, query = (Descriptors([str(n) for n in range(len(values))], values) for values in (INDEX, QUERY))

    def train(images: int | None) -> np.ndarray:
        assert "whitening" in choices  # nothing else learns
        return TRAIN[:images]

    return postprocessed(index, query, **(NOTHING | choices), train=train, folder=folder, memory=0.1)


def white(values: np.ndarray) -> np.ndarray:
    """Whiten with the singular values of the centred train descriptors instead of the covariance's eigenvalues."""
    mean = TRAIN.mean(0)
    _, scales, axes = np.linalg.svd((TRAIN - mean).astype(float), full_matrices=False)
    return unit((values - mean) @ (axes / scales[:, np.newaxis])[:4].T)


def expanded(values: np.ndarray, index: np.ndarray, neighbors: int, *, others: bool) -> np.ndarray:
    """Expand with alpha 1: each descriptor adds its nearest index images, weighted by similarity."""
    weights = values @ index.T - others * 9 * np.eye(len(values), len(index))
    weights[weights < np.sort(weights, axis=1)[:, [-neighbors]]] = 0
    return unit(values + np.maximum(weights, 0) @ index)


def test_without_a_choice_nothing_is_copied(tmp_path: Path):
    index, query = run(tmp_path)
    assert index.values is INDEX
    assert query.values is QUERY
    assert list(tmp_path.iterdir()) == []


def test_each_step_takes_what_the_one_before_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chain, "_ROWS", 13)
    index, query = run(
        tmp_path,
        whitening=PCA(dimension=4, epsilon=0.0, images=None),
        database_augmentation=AlphaExpansion(neighbors=3, alpha=1.0),
        query_expansion=AlphaExpansion(neighbors=2, alpha=1.0),
    )
    assert (index.ids[-1], query.ids[-1]) == ("49", "6")
    augmented = expanded(white(INDEX), white(INDEX), 3, others=True)
    moved = expanded(white(QUERY), augmented, 2, others=False)
    # Which way a direction points is arbitrary: similarities do not depend on it.
    np.testing.assert_allclose(index.values @ index.values.T, augmented @ augmented.T, atol=1e-4)
    np.testing.assert_allclose(query.values @ index.values.T, moved @ augmented.T, atol=1e-4)
    np.testing.assert_allclose(query.values @ query.values.T, moved @ moved.T, atol=1e-4)


def test_results_lie_in_the_folder(tmp_path: Path):
    index, query = run(tmp_path, query_expansion=AlphaExpansion(neighbors=2, alpha=1.0))
    assert index.values is INDEX
    assert isinstance(query.values, np.memmap)
    assert query.values.dtype == np.float32
    np.testing.assert_allclose(query.values, expanded(QUERY, INDEX, 2, others=False), atol=1e-5)
    assert [file.name for file in tmp_path.iterdir()] == ["expanded_query.npy"]
