"""The evaluator: what it adds to retrieval, the accuracy on validation images."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from glr.data.pictures import StoredPictures, batches
from glr.data.preparation import Options, prepare
from glr.data.prepared import PreparedData
from glr.model.head.base import Head
from glr.model.head.norm_softmax import NormSoftmax
from glr.model.head.supcon import SupCon
from glr.retrieval.extraction import Extractor
from glr.retrieval.sets import prepared
from glr.train.evaluator import Evaluator, Validation
from tests.conftest import folder_source


@pytest.fixture(scope="module")
def data(class_folders: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    target = tmp_path_factory.mktemp("validation") / "set"
    return prepare(folder_source(class_folders), target, Options(validation_share=0.4), settings={})


class Pixels:
    image_size = 12

    @staticmethod
    def describe(images: tf.Tensor) -> tf.Tensor:
        return described(images)


def evaluator(data: PreparedData, head: Head | None) -> Evaluator:
    extractor = Extractor(Pixels(), tf.distribute.OneDeviceStrategy("/cpu:0"), 10)
    validation = Validation(StoredPictures(data, "validation"), head) if head else None
    return Evaluator(prepared(data, neighbors=1), extractor, validation, parallelism=2, memory=1.0, dtype="float32")


def described(images: tf.Tensor) -> tf.Tensor:
    return tf.math.l2_normalize(tf.reshape(tf.cast(images, tf.float32), [-1, 12 * 12 * 3])[:, ::7] - 100, axis=1)


def test_validation_accuracy_is_that_of_the_nearest_class(data: PreparedData, tmp_path: Path):
    head = NormSoftmax(num_classes=data.classes, scale=10.0)
    head.build((None, 62))
    kernel = np.random.default_rng(0).normal(0, 1, (62, data.classes))
    images = list(batches(StoredPictures(data, "validation"), image_size=12, batch_size=7, parallelism=1))
    labels = np.array([label for names, _ in images for _, label in names])
    descriptors = np.concatenate([described(pixels).numpy() for _, pixels in images])
    kernel[:, :5] = np.stack([descriptors[labels == label].mean(0) for label in range(5)], 1)
    head.kernel.assign(kernel)
    cosines = descriptors @ (kernel / np.linalg.norm(kernel, axis=0))
    expected = (cosines.argmax(1) == labels).mean()
    assert 0.3 < expected < 0.9
    scores = evaluator(data, head)(tmp_path / "one")
    assert scores["validation/accuracy"] == pytest.approx(expected)
    assert "public/gap" in scores
    assert "validation/accuracy" not in evaluator(data, None)(tmp_path / "one")


def test_validation_accuracy_of_a_head_over_pairs_is_that_of_the_nearest_other_image(
    data: PreparedData, tmp_path: Path
):
    pairs = evaluator(data, SupCon(num_classes=data.classes, temperature=0.1))
    assert pairs(tmp_path / "one")["validation/accuracy"] == 1  # the photos of a class are alike
    random = np.random.default_rng(0)
    values = random.normal(size=(30, 3)).astype(np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    values[7] = values[20]  # the nearest to image 20 is image 7, not itself
    labels = random.integers(3, size=30)
    cosines = values @ values.T - 3 * np.eye(30)
    expected = (labels[cosines.argmax(1)] == labels).mean()
    assert 0.1 < expected < 0.9
    names = [(str(n), int(label)) for n, label in enumerate(labels)]
    parts = [(names[first : first + 9], values[first : first + 9]) for first in range(0, 30, 9)]
    assert pairs._neighbors_accuracy(parts) == pytest.approx(expected)
    assert pairs._neighbors_accuracy([(names[:1], values[:1])]) == 0  # no other image
