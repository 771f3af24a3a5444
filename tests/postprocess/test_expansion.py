"""Expansion against its formula, and where it helps."""

from pathlib import Path

import numpy as np
import pytest

from glr.postprocess import expansion
from glr.postprocess.expansion import AlphaExpansion
from glr.retrieval.neighbors import top_k


def unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def drawn(seed: int = 0, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return unit(rng.standard_normal((9, 5))), unit(rng.standard_normal((count, 5)))


def expected(descriptors: np.ndarray, index: np.ndarray, neighbors: int, alpha: float, *, others: bool) -> np.ndarray:
    rows = []
    for number, descriptor in enumerate(descriptors.astype(np.float64)):
        order = sorted(range(len(index)), key=lambda i: -float(index[i] @ descriptor))
        near = [i for i in order if not (others and i == number)][:neighbors]
        total = descriptor + sum(max(float(index[i] @ descriptor), 0.0) ** alpha * index[i].astype(float) for i in near)
        rows.append(total / np.linalg.norm(total))
    return np.array(rows)


@pytest.mark.parametrize(("neighbors", "alpha"), [(1, 0.0), (3, 1.0), (10, 3.0), (200, 2.0)])
def test_queries_and_index_against_the_formula(neighbors: int, alpha: float, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(expansion, "_ROWS", 7)
    queries, index = drawn()
    choice = AlphaExpansion(neighbors=neighbors, alpha=alpha)
    actual = np.concatenate(list(choice.queries(queries, index, memory=0.1)))
    np.testing.assert_allclose(actual, expected(queries, index, neighbors, alpha, others=False), atol=1e-5)
    actual = np.concatenate(list(choice.index(index, memory=0.1)))
    np.testing.assert_allclose(actual, expected(index, index, neighbors, alpha, others=True), atol=1e-5)
    assert actual.dtype == np.float32


def test_half_precision_and_files(tmp_path: Path):
    queries, index = drawn()
    np.save(tmp_path / "index.npy", index.astype(np.float16))
    mapped = np.load(tmp_path / "index.npy", mmap_mode="r")
    choice = AlphaExpansion(neighbors=4, alpha=2.0)
    (actual,) = choice.queries(queries, mapped, memory=0.1)
    np.testing.assert_allclose(actual, expected(queries, index, 4, 2.0, others=False), atol=3e-3)


def test_an_image_with_many_duplicates_keeps_its_place():
    index = np.repeat(drawn(count=4)[1], 5, axis=0)
    (actual,) = AlphaExpansion(neighbors=2, alpha=1.0).index(index, memory=0.1)
    np.testing.assert_allclose(actual, index, atol=1e-6)


def test_the_noise_of_single_images_is_averaged_out():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((40, 32))
    index, queries = (unit(centres.repeat(n, 0) + rng.normal(0, 1.3, (40 * n, 32))) for n in (10, 2))

    def precision(queries: np.ndarray, index: np.ndarray) -> float:
        return float((top_k(queries, index, 10)[1] // 10 == np.arange(80)[:, np.newaxis] // 2).mean())

    choice = AlphaExpansion(neighbors=5, alpha=3.0)
    (augmented,) = choice.index(index, memory=0.1)
    (expanded,) = choice.queries(queries, index, memory=0.1)
    (both,) = choice.queries(queries, augmented, memory=0.1)
    plain = precision(queries, index)
    assert precision(expanded, index) > plain + 0.03
    assert precision(queries, augmented) > plain + 0.03
    assert precision(both, augmented) > precision(expanded, index)


def test_mistakes():
    for bad in ({"neighbors": 0}, {"alpha": -1.0}):
        with pytest.raises(ValueError, match=f"{next(iter(bad))}="):
            AlphaExpansion(**({"neighbors": 1, "alpha": 1.0} | bad))
