"""ONNX holds transformers: their GELU, and the constants that are no weights."""

from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from glr.export.formats.onnx import Onnx
from glr.export.model import ExportedModel
from glr.model.backbone import SmallCNN

pytest.importorskip("keras_hub")

from tests.model.test_hub import FAMILIES, model_of, small


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES.values())
def test_an_ensemble_of_each_family_and_a_small_cnn(name: str, tmp_path: Path):
    other = SmallCNN(width=4, weights=None, trainable="all", batchnorm_momentum=None, image_size=24)
    members, weights = [model_of(small(name)), model_of(other)], [3.0, 1.0]
    Onnx().convert(members, weights, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    images = np.random.default_rng(0).integers(0, 256, (3, 30, 20, 3)).astype(np.uint8)
    assert [given.name for given in session.get_inputs()] == ["input_images"]
    (found,) = session.run(None, {"input_images": images})
    expected = ExportedModel(members, weights).batched(tf.constant(images))["global_descriptor"]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    keras.backend.clear_session()
