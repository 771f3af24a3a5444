"""The precision of products, and of a run that leaves the choice to the device."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from omegaconf import OmegaConf

from glr.config.values import Precision
from glr.devices.precision import choose_precision, product, tensor_float_32


def test_tensor_float_32_inside_and_the_former_setting_after():
    enabled = tf.config.experimental.tensor_float_32_execution_enabled
    before = enabled()
    for allowed in (True, False):
        with tensor_float_32(allowed):
            assert enabled() == allowed
        assert enabled() == before


def test_a_product_where_tensor_float_32_is_allowed(monkeypatch: pytest.MonkeyPatch):
    random = np.random.default_rng(0)
    left, right = random.normal(size=(4, 512)).astype("float32"), random.normal(size=(512, 3)).astype("float32")
    precise = left.astype("float64") @ right.astype("float64")
    with tensor_float_32(True):
        np.testing.assert_allclose(product(tf.constant(left), tf.constant(right)), precise, rtol=1e-4)
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"] if kind == "GPU" else [])
        exact = product(tf.constant(left), tf.constant(right))
    np.testing.assert_array_equal(exact, precise.astype("float32"))


@pytest.mark.parametrize(
    ("strategy", "gpus", "tpus", "expected"),
    [
        ("auto", [], 0, "float32"),
        ("auto", [(8, 0)], 0, "mixed_bfloat16"),
        ("gpu", [(9, 0), (7, 5)], 0, "float32"),  # the second has no bfloat16
        ("cpu", [(9, 0)], 0, "float32"),
        ("tpu", [], 0, "mixed_bfloat16"),
        ("auto", [], 1, "mixed_bfloat16"),
        ("multi_worker", [(9, 0)], 0, "mixed_bfloat16"),
    ],
)
def test_auto_is_bfloat16_where_the_devices_have_it(
    monkeypatch: pytest.MonkeyPatch, strategy: str, gpus: list[tuple[int, int]], tpus: int, expected: str
):
    devices = {"GPU": gpus, "TPU": [object()] * tpus}
    monkeypatch.setattr(tf.config, "list_physical_devices", devices.get)
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {"compute_capability": gpu})
    target = {"_target_": f"glr.devices.strategy.{strategy}"}
    config: Any = OmegaConf.create({"train": {"precision": Precision.auto}, "strategy": target})
    choose_precision(config)
    assert config.train.precision == expected


def test_a_chosen_precision_stays():
    config: Any = OmegaConf.create({"train": {"precision": Precision.mixed_float16}})
    choose_precision(config)
    assert config.train.precision == "mixed_float16"
