"""PCA whitening against its definition, streamed and memory-mapped, and where it helps."""

from pathlib import Path

import numpy as np
import pytest

from glr.errors import GlrError
from glr.postprocess import whitening
from glr.postprocess.whitening import PCA, Unwhitened


def train(count: int = 4000, size: int = 6, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((count, size)) @ rng.standard_normal((size, size)) + rng.standard_normal(size)).astype(
        np.float32
    )


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def learned(values: np.ndarray, dimension: int | None = None, epsilon: float = 0.0, images: int | None = None):
    return PCA(dimension=dimension, epsilon=epsilon, images=images).learn(lambda n: values[:n])


@pytest.mark.parametrize("dimension", [None, 4, 1])
def test_projected_train_descriptors_are_white(dimension: int | None):
    values = train()
    projection = learned(values, dimension)
    white = (values - projection.mean) @ projection.axes
    assert projection.dimension == white.shape[1] == (dimension or 6)
    np.testing.assert_allclose(white.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(white.shape[1]).squeeze(), atol=1e-3)
    np.testing.assert_allclose(projection(values), unit(white), atol=1e-5)


def test_the_strongest_directions_are_kept_in_order():
    values = np.random.default_rng(0).standard_normal((5000, 3)).astype(np.float32) * [1, 10, 3]
    axes = learned(values, 2).axes
    assert abs(axes[1, 0]) == pytest.approx(1 / 10, rel=0.05)
    assert abs(axes[2, 1]) == pytest.approx(1 / 3, rel=0.05)
    assert (np.take_along_axis(axes, np.abs(axes).argmax(0)[np.newaxis], 0) > 0).all()


def test_epsilon_holds_weak_directions_down():
    values = np.random.default_rng(0).standard_normal((5000, 2)).astype(np.float32) * [10, 1e-4]
    assert np.abs(learned(values, epsilon=0.01).axes).max() == pytest.approx(1 / np.sqrt(0.01 * 100), rel=0.05)


def test_in_parts_and_from_a_file_it_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    values = train()
    whole = learned(values)
    np.save(tmp_path / "train.npy", values)
    monkeypatch.setattr(whitening, "_ROWS", 77)
    parts = learned(np.load(tmp_path / "train.npy", mmap_mode="r"))
    np.testing.assert_allclose(parts.axes, whole.axes, rtol=1e-5)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-6)


def test_it_asks_for_so_many_images():
    assert learned(train(), images=50).axes.shape == (6, 6)
    np.testing.assert_allclose(learned(train(), images=50).mean, train()[:50].mean(0), rtol=1e-5)


def test_a_direction_that_all_share_no_longer_hides_the_rest():
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((50, 16))
    common = rng.standard_normal(16) * 10

    def drawn() -> np.ndarray:
        return unit(centres + rng.normal(0, 0.5, (50, 16)) + common * (1 + 0.5 * rng.standard_normal((50, 1))))

    index, queries = drawn(), drawn()
    projection = learned(np.concatenate([drawn() for _ in range(20)]).astype(np.float32))
    before = ((queries @ index.T).argmax(1) == np.arange(50)).mean()
    after = ((projection(queries) @ projection(index).T).argmax(1) == np.arange(50)).mean()
    assert after > before + 0.2


@pytest.mark.parametrize("epsilon", [0.0, 1e-15])
def test_directions_without_variance(epsilon: float):
    """Of 9 points in general position, 8 differences are independent; copies of the points add none."""
    values = np.concatenate([unit(train(9, 24))] * 5)
    sentence = (
        r"^whitening\.epsilon=(0|1e-15): the 45 train descriptors of 24 dimensions vary in 8 directions only; "
        r"give whitening\.dimension=8, or an epsilon such as 1e-6$"
    )
    for dimension in (None, 9):
        with pytest.raises(GlrError, match=sentence):
            learned(values, dimension, epsilon)
    white = (values - values.mean(0)) @ learned(values, 8, epsilon).axes
    np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(8), atol=1e-3)
    assert np.isfinite(learned(values, epsilon=1e-6)(values)).all()
    with pytest.raises(GlrError, match=r"^whitening: the 45 train descriptors are all the same, so there"):
        learned(np.repeat(values[:1], 45, axis=0), epsilon=1e-6)


def test_mistakes():
    with pytest.raises(GlrError, match=r"whitening\.dimension=7: 4000 train .* of 6 dimensions give 6 at most"):
        learned(train(), 7)
    with pytest.raises(GlrError, match=r"whitening\.dimension=6: 4 train descriptors of 6 dimensions give 3 at most"):
        learned(train(4))
    for bad in ({"dimension": 0}, {"epsilon": -1.0}, {"images": 1}):
        with pytest.raises(ValueError, match=f"{next(iter(bad))}="):
            PCA(**({"dimension": None, "epsilon": 0.0, "images": None} | bad))
    assert Unwhitened().learn(lambda _: pytest.fail("nothing is to be described")) is None
