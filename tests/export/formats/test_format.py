"""What cannot be written, or run, is refused in one sentence."""

import importlib.util
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from glr.config.values import ExportFormat
from glr.errors import GlrError
from glr.export.formats.choice import chosen
from glr.export.formats.format import input_sizes
from glr.export.formats.keras import KerasFile, plain
from glr.export.formats.litert import Litert
from glr.export.formats.onnx import Onnx
from glr.model.pooling import GeM


def test_a_format_is_chosen_once_and_in_order():
    names = [ExportFormat.onnx, ExportFormat.saved_model, ExportFormat.onnx]
    assert [each.name for each in chosen(names)] == ["onnx", "saved_model"]
    assert {each.name for each in chosen(list(ExportFormat))} == set(ExportFormat)


def test_no_format_is_refused():
    with pytest.raises(GlrError, match="give at least one of saved_model, onnx, litert, litert_float16, keras"):
        chosen([])


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else find(name))
    with pytest.raises(GlrError, match=r"^format=onnx: tf2onnx is not installed; pip install '\.\[onnx\]'$"):
        chosen([ExportFormat.onnx])


def test_inputs_are_named_by_size_if_sizes_differ():
    assert input_sizes([32, 32]) == {"input_images": 32}
    assert input_sizes([48, 32, 48]) == {"input_images_32": 32, "input_images_48": 48}
    assert Litert().inputs([48, 32]) == (
        "`input_images_32` uint8 [images, 32, 32, 3] and `input_images_48` uint8 [images, 48, 48, 3]"
    )
    assert Onnx().inputs([48, 32]) == "`input_images` uint8 [images, height, width, 3]"


class Halved(keras.layers.Layer):
    def call(self, features: tf.Tensor) -> tf.Tensor:
        return features / 2


def test_a_layer_of_another_package_is_refused_in_a_keras_file():
    inputs = keras.Input([4, 4, 2])
    network = keras.Model(inputs, Halved()(inputs))
    with pytest.raises(GlrError, match="format=keras: Halved is not a layer of Keras"):
        plain(network)


@pytest.mark.parametrize("p", [1.0, 3.7])
def test_gem_in_keras_operations_is_gem(p: float):
    inputs = keras.Input([3, 5, 4])
    network = keras.Model(inputs, GeM(p=p, learnable=True, floor=1e-6)(inputs))
    features = np.random.default_rng(0).gamma(0.5, 20.0, (2, 3, 5, 4)).astype(np.float32)
    exact = (np.maximum(features.astype(float), 1e-6) ** p).mean((1, 2)) ** (1 / p)
    copy = plain(network)
    np.testing.assert_allclose(copy(features), exact, rtol=2e-5)
    assert not any(isinstance(layer, GeM) for layer in copy.layers)


def test_a_converter_that_fails_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    missing = "'tf.{}' op is neither a custom op nor a flex op"
    text = f"Could not translate\nerror: {missing.format('Range')}\n{missing.format('Erf')}"

    def fail(*_: object):
        raise ValueError(text)

    monkeypatch.setattr(Litert, "convert", fail)
    with pytest.raises(GlrError, match=r"^format=litert: the model .* \(LiteRT has no operation Erf, Range\)$"):
        Litert().write([], [], tmp_path / "model.tflite")
    monkeypatch.setattr(KerasFile, "convert", fail)
    with pytest.raises(GlrError, match=r"^format=keras: the model cannot be converted \(Could not translate\)$"):
        KerasFile().write([], [], tmp_path / "model.keras")


def test_a_file_that_does_not_load_is_named(tmp_path: Path):
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(GlrError, match=r"the written model.onnx does not load in a fresh process: .*INVALID_PROTOBUF"):
        Onnx().describe(tmp_path / "model.onnx", [np.zeros((4, 4, 3), np.uint8)], [32], tmp_path)
