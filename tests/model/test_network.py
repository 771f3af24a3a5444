"""The retrieval model: where its weights stand in a file, which BatchNorms are synchronised, how colours change."""

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from glr.data.augment import Study
from glr.model.backbone import SmallCNN
from glr.model.head.norm_softmax import NormSoftmax
from glr.model.network import RetrievalModel, normalise, recoloured


def made(**options: bool) -> RetrievalModel:
    return RetrievalModel(
        SmallCNN(width=4, weights=None, trainable="all", batchnorm_momentum=None, image_size=16),
        keras.layers.GlobalAveragePooling2D(),
        NormSoftmax(num_classes=4, scale=10.0),
        embedding_size=8,
        batchnorm_momentum=0.9,
        normalization="minus_one_one",
        **options,
    )


def test_stored_weights_stand_where_keras_puts_layers_and_head(tmp_path: Path):
    """Every version writes them there; files with other places could not be read by earlier or later versions."""
    made().save_weights(tmp_path / "x.weights.h5")
    with h5py.File(tmp_path / "x.weights.h5") as file:
        names: list[str] = []
        file.visititems(lambda name, value: names.append(name) if isinstance(value, h5py.Dataset) else None)
    assert {name.split("/")[0] for name in names} == {"layers", "head"}
    assert len(names) == len(made().weights)


@pytest.mark.parametrize("synchronised", [False, True])
def test_every_batchnorm_is_synchronised_or_none(synchronised: bool):
    model = made(synchronised=synchronised)
    assert [norm.name for norm in model.batch_norms()] == ["norm0", "norm1", "norm2", "norm3", "embedding_norm"]
    assert {norm.synchronized for norm in model.batch_norms()} == {synchronised}
    assert {norm.synchronized for norm in made().batch_norms()} == {False}


def hue_turned(pixels: np.ndarray, turn: float) -> np.ndarray:
    """Pixels [N, 3] of 0 to 255 with their hue turned: I and Q of NTSC's YIQ are a complex number, which is rotated."""
    y = pixels @ [0.299, 0.587, 0.114]
    chroma = pixels @ [0.595716 + 0.211456j, -0.274453 - 0.522591j, -0.321263 + 0.311135j] * np.exp(2j * np.pi * turn)
    yiq = np.stack([y, chroma.real, chroma.imag], axis=1)
    return yiq @ np.array([[1, 0.9563, 0.6210], [1, -0.2721, -0.6474], [1, -1.1070, 1.7046]]).T


@pytest.mark.parametrize(("normalization", "unit"), [("zero_one", 255), ("minus_one_one", 127.5), ("imagenet", 57.63)])
def test_greys_stay_grey_where_hue_turns_and_brightness_changes(normalization: str, unit: float):
    study = Study(flip=0.0, brightness=0.2, hue=0.2, rotation=0.0, shear=0.0, zoom=0.0, shift=0.0)
    pixels = np.array([[128, 128, 128], [0, 0, 0], [255, 255, 255], [200, 120, 40]], np.uint8)
    black, white = (normalise(np.full(3, level, np.uint8), normalization).numpy() for level in (0, 255))
    for turn, brightness in ((1.0, 0.5), (0.0, 0.5), (0.5, 1.0), (0.75, 0.0)):
        colours = study.changes(np.array([[*[0.5] * 7, turn, brightness]])).colour
        seen = recoloured(tf.constant(pixels[None, None]), tf.constant(colours), normalization)[0, 0].numpy()
        shown = (seen - black) / (white - black) * 255
        expected = hue_turned(pixels, (2 * turn - 1) * 0.2) + (2 * brightness - 1) * 0.2 * unit
        np.testing.assert_allclose(shown, expected, atol=0.05)
