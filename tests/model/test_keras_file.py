"""Keras's files: only Keras's own layers are built, and only the weights that a file stores."""

import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from glr.errors import GlrError
from glr.model.keras_file import read_keras


class Own(keras.layers.Layer):
    """Not one of Keras's layers."""

    def call(self, x):
        return x


def saved(file: Path, *layers: keras.layers.Layer) -> keras.Model:
    model = keras.Sequential([keras.Input((6, 6, 3)), *layers])
    model.save(file)
    return model


def test_a_file_gives_the_weights_that_were_saved(tmp_path: Path):
    layers = keras.layers
    random = layers.RandomFlip(), layers.Dropout(0.1)  # their seeds are not among the weights
    model = saved(tmp_path / "m.keras", *random, layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Flatten())
    images = np.random.default_rng(0).integers(0, 256, (2, 6, 6, 3)).astype(np.float32)
    expected = keras.ops.convert_to_numpy(model(images, training=False))
    np.testing.assert_allclose(read_keras(tmp_path / "m.keras", 1)(images, training=False), expected, rtol=1e-6)


def test_weights_that_a_file_declares_but_does_not_store_take_no_memory(tmp_path: Path):
    saved(tmp_path / "small.keras", keras.layers.Flatten(), keras.layers.Dense(4, use_bias=False))
    with zipfile.ZipFile(tmp_path / "small.keras") as old, zipfile.ZipFile(tmp_path / "large.keras", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'"units": 4', b'"units": 1000000000'))
    # 6 * 6 * 3 inputs * 10^9 units * 4 bytes: no machine of this test has so much memory
    with pytest.raises(
        GlrError, match=r"large\.keras declares weights of 432,000\.0 MB, but holds 0\.0 MB; save the m"
    ):
        read_keras(tmp_path / "large.keras", 1)


def test_a_file_above_the_limit_is_not_read(tmp_path: Path):
    saved(tmp_path / "m.keras", keras.layers.Flatten())
    with pytest.raises(GlrError, match=r"m\.keras holds 0\.0 GB; max_model_gb=1e-06 is the limit"):
        read_keras(tmp_path / "m.keras", 1e-6)


@pytest.mark.parametrize("layer", [keras.layers.Lambda(lambda x: x[:, 0]), Own()], ids=["code", "class"])
def test_code_in_a_file_does_not_run(tmp_path: Path, layer: keras.layers.Layer):
    saved(tmp_path / "m.keras", layer, keras.layers.Flatten())
    with pytest.raises(GlrError) as refusal:
        read_keras(tmp_path / "m.keras", 1)
    sentence = f"{tmp_path}/m.keras needs code of its own, which glr does not run; export it as a SavedModel"
    assert str(refusal.value) == sentence


@pytest.mark.parametrize("content", [b"", b"text", b"PK\3\4"], ids=ascii)
def test_a_damaged_file_is_one_sentence(tmp_path: Path, content: bytes):
    (tmp_path / "m.keras").write_bytes(content)
    with pytest.raises(GlrError, match=r"^\S+/m\.keras cannot be loaded in Keras's safe mode \(\S.*\)$"):
        read_keras(tmp_path / "m.keras", 1)
