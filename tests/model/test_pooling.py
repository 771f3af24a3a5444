"""Pooling layers, and every YAML of conf/pooling built and run."""

import importlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from omegaconf import OmegaConf

from glr.model.pooling import GeM

FILES = sorted((Path(__file__).parents[2] / "conf/pooling").glob("*.yaml"))


def features(seed=0, lowest=-1.0):
    return np.random.default_rng(seed).uniform(lowest, 3, (2, 5, 4, 6)).astype("float32")


def gem(x, p, floor=1e-6):
    clamped = np.maximum(x.astype("float64"), floor).reshape(len(x), -1, x.shape[-1])
    return np.power(np.power(clamped, p).mean(axis=1), 1 / p)


def test_choices():
    built, labels = {}, {}
    for file in FILES:
        config: Any = OmegaConf.to_container(OmegaConf.load(file))
        module, _, name = config.pop("_target_").rpartition(".")
        labels[file.stem] = config.pop("label")
        built[file.stem] = getattr(importlib.import_module(module), name)(**config)
    assert labels == {"avg": "Avg", "cls": "CLS", "cls_gem": "CLS+GeM", "gem": "GeM", "max": "Max"}
    x = features()
    np.testing.assert_allclose(built["avg"](x), x.mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(built["max"](x), x.max(axis=(1, 2)), rtol=1e-6)
    np.testing.assert_allclose(built["gem"](x), gem(x, 3), rtol=1e-5)
    token = x[:, 0, 0] - 1  # as a transformer's class token
    np.testing.assert_array_equal(built["cls"]([x, token]), token)
    np.testing.assert_allclose(built["cls_gem"]([x, token]), np.hstack([token, gem(x, 3)]), rtol=1e-5)


@pytest.mark.parametrize("p", [0.5, 1.0, 3.0, 3.3, 9.0])
def test_formula_with_negative_features(p):
    layer = GeM(p=p, learnable=True, floor=1e-3)
    np.testing.assert_allclose(layer(features()), gem(features(), p, 1e-3), rtol=1e-5)


def test_p_of_1_is_the_average_and_a_large_p_nears_the_maximum():
    x = features(lowest=0.1)
    np.testing.assert_allclose(GeM(p=1.0, learnable=False, floor=1e-6)(x), x.mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(GeM(p=300.0, learnable=False, floor=1e-6)(x), x.max(axis=(1, 2)), rtol=0.02)


@pytest.mark.parametrize("p", [3.3, 20.0])
def test_gradients_are_finite_and_right_also_in_empty_channels(p):
    x = features()
    x[..., 0] = -1.0
    x[..., 1] = 0.0
    layer = GeM(p=p, learnable=True, floor=1e-6)
    layer.build(x.shape)
    inputs = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        total = tf.reduce_sum(layer(inputs))
    gradients: Any = tape.gradient(total, [inputs, layer.p.value])
    by_x, by_p = gradients
    assert np.isfinite(by_x).all()
    slope = (gem(x, p + 1e-4) - gem(x, p - 1e-4)).sum() / 2e-4
    np.testing.assert_allclose(by_p, slope, rtol=1e-3)
    place = (1, 2, 3, 4)
    up, down = x.astype("float64"), x.astype("float64")
    up[place] += 1e-5
    down[place] -= 1e-5
    np.testing.assert_allclose(by_x[place], (gem(up, p) - gem(down, p)).sum() / 2e-5, rtol=1e-3, atol=1e-7)


def test_p_trains_only_where_it_is_learnable():
    for learnable in (True, False):
        layer = GeM(p=3.0, learnable=learnable, floor=1e-6)
        layer.build((None, 5, 4, 6))
        assert len(layer.trainable_weights) == learnable
        assert len(layer.weights) == 1


def test_float32_inside_whatever_the_policy():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        layer = GeM(p=5.0, learnable=True, floor=1e-6)
        x = features(lowest=0.0) + 20  # 20^5 is beyond float16
        pooled = layer(x)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert pooled.dtype == "float16"
    assert layer.p.dtype == "float32"
    np.testing.assert_allclose(pooled, gem(x, 5), rtol=2e-3)


def test_config_round_trip_in_a_functional_model():
    images = keras.Input((5, 4, 6))
    model = keras.Model(images, GeM(p=2.5, learnable=False, floor=0.01)(images))
    assert model.output_shape == (None, 6)
    clone = keras.models.clone_model(model)
    layer = clone.layers[-1]
    assert isinstance(layer, GeM)
    assert layer.get_config() == {"p": 2.5, "learnable": False, "floor": 0.01}
    np.testing.assert_allclose(clone(features()), gem(features(), 2.5, 0.01), rtol=1e-5)


@pytest.mark.parametrize(("argument", "value"), [("p", 0.0), ("p", -3.0), ("floor", 0.0)])
def test_wrong_values_are_named(argument, value):
    with pytest.raises(ValueError, match=f"^{argument}={value}: "):
        GeM(**{"p": 3.0, "learnable": True, "floor": 1e-6, argument: value})
