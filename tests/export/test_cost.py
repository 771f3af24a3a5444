"""What a file's rounded weights cost, on a set or a part of it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from glr.export.cost import FileDescriber, cost
from glr.export.formats.onnx import Onnx
from glr.model.loading import read_config
from glr.tracking.history import find
from glr.tracking.store import connect


class Means(Onnx):
    """A file that describes images by the mean colour of each half, or by noise."""

    def __init__(self, noise: float):
        self.noise = noise

    def describe(self, file: Path, images: Sequence[np.ndarray], sizes: Sequence[int], folder: Path) -> np.ndarray:  # noqa: ARG002
        means = np.stack([np.concatenate([image[:15].mean((0, 1)), image[15:].mean((0, 1))]) for image in images])
        means += np.random.default_rng(0).normal(0, self.noise, means.shape)
        return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("means") / "saved_model"

    def describe(input_image: tf.Tensor) -> dict[str, tf.Tensor]:
        halves = [tf.reduce_mean(tf.cast(part, tf.float32), [0, 1]) for part in (input_image[:15], input_image[15:])]
        return {"global_descriptor": tf.math.l2_normalize(tf.concat(halves, 0))}

    spec = [tf.TensorSpec([None, None, 3], tf.uint8, "input_image")]
    tf.saved_model.save(tf.Module(), str(folder), signatures={"serving_default": tf.function(describe, spec)})
    return folder


@pytest.mark.parametrize(("most", "images"), [(None, (12, 36)), (48, (12, 36)), (30, (7, 23))])
def test_a_file_is_scored_on_the_images_of_the_saved_model(
    trained: Path, saved_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int | None, images: tuple
):
    monkeypatch.chdir(trained)
    settings = read_config(find(connect(f"sqlite:///{trained}/mlruns/mlflow.db"), "one").stored("config.yaml"))
    folders = [tmp_path / name for name in ("same", "noisy")]
    for folder in folders:
        folder.mkdir()
    same, noisy = (
        cost(settings, most, saved_model, FileDescriber(Means(noise), tmp_path, [16], folder), folder)
        for noise, folder in zip((0, 1000), folders, strict=True)
    )
    assert (same.queries, same.index) == images
    assert same.whole == (most != 30)
    assert {"public/map_at_100", "private/map_at_100"} <= set(same.scores)
    for before, after in same.scores.values():
        assert after == pytest.approx(before, abs=1e-6)
    assert any(after != pytest.approx(before, abs=1e-3) for before, after in noisy.scores.values())
