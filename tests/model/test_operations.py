"""The operations of a plain SavedModel pass; tests/attacks/test_saved_models.py has those that do not."""

import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from glr.errors import GlrError
from glr.model.operations import refused
from glr.model.saved_model import SavedModel


class Plain(tf.Module):
    def __init__(self):
        super().__init__()
        self.weights = tf.Variable(tf.ones([3, 4]))

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3], tf.uint8, "input_image")])
    def describe(self, input_image: tf.Tensor) -> dict[str, tf.Tensor]:
        mean = tf.reduce_mean(tf.cast(input_image, tf.float32), [0, 1])
        return {"global_descriptor": tf.linalg.l2_normalize(tf.linalg.matvec(self.weights, mean, transpose_a=True))}


def test_a_model_that_only_computes(tmp_path: Path):
    module = Plain()
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": module.describe})
    assert refused(tmp_path) == []


def test_a_damaged_file(tmp_path: Path):
    (tmp_path / "saved_model.pb").write_bytes(b"\xff" * 50)
    with pytest.raises(GlrError, match="is damaged"):
        refused(tmp_path)


def test_pieces_that_tensorflow_would_prefer_are_refused(tmp_path: Path):
    module = Plain()
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": module.describe})
    shutil.copy(tmp_path / "saved_model.pb", tmp_path / "saved_model.cpb")
    with pytest.raises(GlrError, match=r"saved_model\.cpb, a model in pieces"):
        SavedModel(tmp_path)
