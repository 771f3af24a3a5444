"""Every backbone is built, and some make a step; weights, frozen layers and BatchNorm momentum follow the config."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from omegaconf import OmegaConf

from glr.config.check import composed
from glr.config.component import build
from glr.config.identity import settings_of
from glr.config.installation import CONF
from glr.errors import GlrError
from glr.model.backbone import KerasApplication, SmallCNN
from glr.model.head.norm_softmax import NormSoftmax
from glr.model.network import RetrievalModel
from glr.model.pooling import GeM
from glr.optim.regularization import Unregularized
from glr.optim.schedule import Constant
from glr.train.step import TrainStep

# These also make a step: a plain network, one with many kinds of layers, and one cut after its own scaling.
STEPPING = ["small_cnn", "mobilenet_v3_small", "efficientnet_b0"]
SMALLEST = {"inception_resnet_v2": 75, "inception_v3": 75, "xception": 71}
SETTINGS = {"weights": None, "trainable": "all", "batchnorm_momentum": None, "image_size": 32}


def built(name: str, **changed: object) -> keras.Model:
    config = OmegaConf.merge(OmegaConf.load(CONF / f"backbone/{name}.yaml"), {"weights": None}, changed)
    return build(config, image_size=SMALLEST.get(name, 32))


def check_as_asked(name: str, network: keras.Model) -> None:
    """Check shapes, layers and weights of a network that was built with a momentum of 0.8."""
    size = SMALLEST.get(name, 32)
    assert network.input_shape == (None, size, size, 3)
    assert len(network.output_shape) == 4
    kinds = {type(layer) for layer in network.layers}
    assert not kinds & {keras.layers.Rescaling, keras.layers.Normalization}
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {norm.momentum for norm in norms} == ({0.8} if norms else set())
    assert norms or name.startswith("convnext")
    assert network.trainable_variables[0].shape[2] == 3  # from the pixels on


@pytest.mark.parametrize(
    "name",
    sorted(
        {path.stem for path in (CONF / "backbone").glob("*.yaml") if "KerasHub" not in path.read_text()} - {*STEPPING}
    ),
)
def test_every_network_is_built_as_asked(name: str):
    # Values for the weights would take most of the time.
    with keras.StatelessScope(initialize_variables=False):
        network = built(name, batchnorm_momentum=0.8)
    check_as_asked(name, network)
    keras.backend.clear_session()


@pytest.mark.parametrize("name", STEPPING)
def test_is_built_as_asked_and_takes_a_training_step(name: str, monkeypatch: pytest.MonkeyPatch):
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    with strategy.scope():
        backbone = built(name, batchnorm_momentum=0.8)
        check_as_asked(name, backbone)
        model = RetrievalModel(
            backbone,
            GeM(p=3.0, learnable=True, floor=1e-6),
            NormSoftmax(num_classes=5, scale=10.0),
            embedding_size=8,
            batchnorm_momentum=0.9,
            normalization="imagenet",
        )
        step = TrainStep(model, keras.optimizers.SGD(0.1), Constant(peak=0.1), Unregularized(), strategy, 2)
    monkeypatch.setattr(step, "_compiled", step._one)  # eager: tracing takes longer than one step
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    batch = tf.constant(images), tf.constant([1, 4]), tf.tile(tf.eye(3, 4)[tf.newaxis], (2, 1, 1))
    first = backbone.trainable_variables[0]
    before = first.numpy()
    assert np.isfinite(step(batch).numpy()).all()
    assert np.abs(first.numpy() - before).max() > 0
    assert model.describe(tf.constant(images)).shape == (2, 8)
    keras.backend.clear_session()


def test_frozen_layers_do_not_train():
    all_of_it = SmallCNN(width=4, **SETTINGS)
    none = SmallCNN(width=4, **(SETTINGS | {"trainable": "none"}))
    tail = SmallCNN(width=4, **(SETTINGS | {"trainable": "conv2"}))
    assert len(all_of_it.trainable_variables) == 12
    assert none.trainable_variables == []
    assert [v.path.split("/")[-2] for v in tail.trainable_variables] == [
        "conv2",
        "norm2",
        "norm2",
        "conv3",
        "norm3",
        "norm3",
    ]
    with pytest.raises(ValueError, match=r"^trainable=conv9: give all, none or a layer, .* the most alike: conv\d, "):
        SmallCNN(width=4, **(SETTINGS | {"trainable": "conv9"}))


def test_batchnorm_momentum():
    for momentum, expected in ((None, 0.99), (0.8, 0.8)):
        network = SmallCNN(width=4, **(SETTINGS | {"batchnorm_momentum": momentum}))
        norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
        assert [layer.momentum for layer in norms] == [expected] * 4


def test_weights_from_a_file(tmp_path: Path):
    first = SmallCNN(width=4, **SETTINGS)
    first.save_weights(tmp_path / "a.weights.h5")
    again = SmallCNN(width=4, **(SETTINGS | {"weights": str(tmp_path / "a.weights.h5")}))
    for a, b in zip(first.weights, again.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    for make in (lambda w: SmallCNN(width=8, **(SETTINGS | {"weights": w})), application):
        with pytest.raises(ValueError, match=r"^weights=\S+ does not hold weights of \S+ \(A total of .*\)$"):
            make(str(tmp_path / "a.weights.h5"))
    for make in (lambda w: SmallCNN(width=4, **(SETTINGS | {"weights": w})), application):
        with pytest.raises(ValueError, match=r"weights=nowhere\.h5: no such file"):
            make("nowhere.h5")


def application(weights: str | None, name: str = "MobileNetV3Small", size: int = 32) -> keras.Model:
    return KerasApplication(application=name, **(SETTINGS | {"weights": weights, "image_size": size}))


def test_too_small_images_and_unknown_networks():
    with pytest.raises(ValueError, match=r"Xception needs images of at least 71 pixels: data\.image_size=64"):
        application(None, "Xception", 64)
    with pytest.raises(ValueError, match=r"application=ResNet51: keras\.applications has no such network"):
        application(None, "ResNet51")


def test_imagenet_weights_without_network_are_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    # A proxy that refuses connections: what a machine without network sees.
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setattr(keras.config, "keras_home", lambda: str(tmp_path), raising=False)
    monkeypatch.setattr(
        sys.modules["keras.src.utils.file_utils"].config, "keras_home", lambda: str(tmp_path), raising=False
    )
    with pytest.raises(GlrError, match="ImageNet weights of MobileNetV3Small could not be downloaded; connect"):
        application("imagenet")


def test_a_network_names_the_default_of_the_normalisation():
    def normalization(*overrides: str) -> str:
        config = composed("train", [*overrides])[0]
        assert "backbone.expects" not in settings_of(config)  # data.normalization counts
        return config.data.normalization.name

    assert normalization("backbone=densenet121") == "minus_one_one"
    assert normalization("backbone=convnext_small") == "imagenet"
    assert normalization("backbone=clip_base", "data=folder") == "clip"
    assert normalization("backbone=clip_base", "data.normalization=zero_one") == "zero_one"
