"""The retrieval model: where its weights stand in a file, and which of its BatchNorms are synchronised."""

from pathlib import Path

import h5py
import keras
import pytest

from glr.model.backbone import SmallCNN
from glr.model.head.norm_softmax import NormSoftmax
from glr.model.network import RetrievalModel


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
