"""Penalties against NumPy, and every YAML of conf/regularization built."""

import importlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from omegaconf import OmegaConf

from glr.errors import GlrError
from glr.model.head.cosface import CosFace
from glr.model.head.supcon import SupCon
from glr.model.pooling import GeM
from glr.optim.regularization import L2

FOLDER = Path(__file__).parents[2] / "conf/regularization"
layers = keras.layers


@pytest.fixture
def model():
    """A network with a model inside, and a head; every weight is random, so that each would show in a sum."""
    inner = keras.Sequential(
        [keras.Input((8, 8, 4)), layers.SeparableConv2D(6, 3, name="separable"), layers.BatchNormalization()]
    )
    images = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 1, name="conv")(images)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = GeM(p=3.0, learnable=True, floor=1e-6)(inner(x))
    network = keras.Model(images, layers.BatchNormalization()(layers.Dense(5, name="dense")(x)))
    head = CosFace(num_classes=9, margin=0.35, scale=64.0)
    head.build((None, 5))
    random = np.random.default_rng(0)
    for weight in (*network.weights, *head.weights):
        weight.assign(random.normal(size=weight.shape))
    separable = inner.get_layer("separable")
    kernels = [network.get_layer(name).kernel for name in ("conv", "depthwise", "dense")]
    return network, head, [*kernels, separable.depthwise_kernel, separable.pointwise_kernel]


def squares(weights):
    return sum(np.square(weight.numpy().astype("float64")).sum() for weight in weights)


def test_head(model):
    network, head, _ = model
    penalty = L2(weight_decay=0.0005, scope="head").penalty(network, head)
    assert (penalty.shape, penalty.dtype) == ((), "float32")
    np.testing.assert_allclose(penalty, 0.0005 * squares([head.kernel]), rtol=1e-6)


def test_a_head_without_weights(model):
    network, _, kernels = model
    head = SupCon(num_classes=9, temperature=0.1)
    penalty = L2(weight_decay=0.01, scope="all").penalty(network, head)
    np.testing.assert_allclose(penalty, 0.01 * squares(kernels), rtol=1e-5)
    with pytest.raises(GlrError, match=r"^regularization.scope=head: this head has no weights"):
        L2(weight_decay=0.01, scope="head").penalty(network, head)


def test_all(model):
    network, head, kernels = model
    penalty = L2(weight_decay=0.01, scope="all").penalty(network, head)
    np.testing.assert_allclose(penalty, 0.01 * squares([head.kernel, *kernels]), rtol=1e-5)


def test_all_pulls_each_kernel_to_0_and_nothing_else(model):
    network, head, kernels = model
    weights = [*network.trainable_weights, *head.trainable_weights]
    with tf.GradientTape() as tape:
        penalty = L2(weight_decay=0.01, scope="all").penalty(network, head)
    gradients: Any = tape.gradient(penalty, [weight.value for weight in weights])
    penalised = {id(kernel) for kernel in (head.kernel, *kernels)}
    for weight, gradient in zip(weights, gradients, strict=True):
        assert (gradient is not None) == (id(weight) in penalised), weight.path
        if gradient is not None:
            np.testing.assert_allclose(gradient, 0.02 * weight.numpy(), rtol=1e-5)


def test_frozen_kernels_do_not_count(model):
    network, head, kernels = model
    network.get_layer("conv").trainable = False
    penalty = L2(weight_decay=0.01, scope="all").penalty(network, head)
    np.testing.assert_allclose(penalty, 0.01 * squares([head.kernel, *kernels[1:]]), rtol=1e-5)


def test_choices(model):
    network, head, _ = model
    penalties, labels = {}, {}
    for file in FOLDER.glob("*.yaml"):
        config = OmegaConf.create({"regularization": OmegaConf.load(file)})
        arguments: Any = OmegaConf.to_container(config.regularization, resolve=True)
        module, _, name = arguments.pop("_target_").rpartition(".")
        labels[file.stem] = arguments.pop("label")
        regularization = getattr(importlib.import_module(module), name)(**arguments)
        penalties[file.stem] = float(regularization.penalty(network, head))
    assert labels == {"none": None, "l2": "l2 regularization(weight_decay=0.0005)"}
    assert penalties == {"none": 0, "l2": pytest.approx(0.0005 * squares([head.kernel]))}


@pytest.mark.parametrize(("argument", "value"), [("weight_decay", -0.1), ("scope", "heads")])
def test_wrong_values_are_named(argument, value):
    with pytest.raises(ValueError, match=f"^{argument}={value}: "):
        L2(**{"weight_decay": 0.1, "scope": "all", argument: value})
