"""A shortage of memory, explained."""

from types import SimpleNamespace
from typing import Any

import keras
import pytest
import tensorflow as tf

from glr.errors import GlrError
from glr.model.fusion import fuse
from glr.train.memory import activations, shortage_explained
from tests.train.test_graph import made


def strategy(*devices: str) -> Any:
    names = [f"/job:localhost/replica:0/task:0/device:{device}" for device in devices]
    return SimpleNamespace(num_replicas_in_sync=len(names), extended=SimpleNamespace(worker_devices=names))


def test_each_input_that_gradients_need_counts_once():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 1)(inputs)  # keeps 8 x 8 x 3 numbers
    x = keras.layers.BatchNormalization()(x)  # keeps 8 x 8 x 4; the ReLU is part of it
    x = keras.layers.ReLU()(x)
    y = keras.layers.SeparableConv2D(6, 3, padding="same")(x)  # keeps 8 x 8 x 4, and 8 x 8 x 4 between its convolutions
    y = keras.layers.Concatenate()([x, y])
    network = keras.Model(inputs, keras.layers.MaxPooling2D()(y))  # keeps 8 x 8 x 10
    fuse(network)
    assert activations(network) == int(1.1 * 4 * 64 * (3 + 4 + 4 + 4 + 10))


def test_the_setting_and_a_batch_that_fits(monkeypatch: pytest.MonkeyPatch):
    model = made().model
    weights = 16 * sum(weight.value.shape.num_elements() for weight in model.weights)
    room = weights + 5.5 * activations(model.network)
    monkeypatch.setattr(tf.config.experimental, "get_memory_info", lambda _: {"peak": room})
    gpus = strategy("GPU:0", "GPU:1")
    fits = r"train.batch_size=32 at data.image_size=16 needs more memory than GPU:0 has; some 10 may fit"
    with pytest.raises(GlrError, match=fits), shortage_explained(model, 32, gpus):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
    room = weights
    with pytest.raises(GlrError, match=r"not even one image fits: give a smaller data.image_size$"):  # noqa: SIM117
        with shortage_explained(model, 32, gpus):
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")


def test_a_device_that_does_not_tell_its_memory():
    with pytest.raises(GlrError, match=r"CPU:0 has; give a smaller one, or train.precision=mixed_bfloat16$"):  # noqa: SIM117
        with shortage_explained(made().model, 32, strategy("CPU:0")):
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")


def test_other_errors_pass():
    with pytest.raises(tf.errors.ResourceExhaustedError), shortage_explained(made().model, 32, strategy("CPU:0")):
        raise tf.errors.ResourceExhaustedError(None, None, "/dev/full; No space left on device")
    with pytest.raises(tf.errors.InternalError), shortage_explained(made().model, 32, strategy("CPU:0")):
        raise tf.errors.InternalError(None, None, "another")
