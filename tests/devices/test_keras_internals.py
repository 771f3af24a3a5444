"""The private parts of Keras that glr uses do what glr uses them for, or the import says what is wrong."""

import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from glr.devices import keras_internals
from glr.devices.keras_internals import (
    SkipNonFinite,
    adam_moments,
    batches_seen,
    keep_gradients,
    moving_averages,
)


@pytest.mark.parametrize("kept", [True, False])
def test_gradients_are_not_summed(monkeypatch: pytest.MonkeyPatch, kept: bool):
    optimizer, weight = keras.optimizers.SGD(1.0), keras.Variable([1.0])
    monkeypatch.setattr(tf.distribute.ReplicaContext, "all_reduce", lambda _, op, values: [2 * v for v in values])  # noqa: ARG005
    if kept:
        keep_gradients(optimizer)
    optimizer.apply([tf.constant([0.25])], [weight])
    assert weight.numpy() == (0.75 if kept else 0.5)


def test_every_batch_counts_where_gradients_are_accumulated():
    optimizer, weight = keras.optimizers.SGD(1.0, gradient_accumulation_steps=2), keras.Variable([1.0])
    for _ in range(3):
        optimizer.apply([tf.constant([0.25])], [weight])
    assert (batches_seen(optimizer), int(optimizer.iterations)) == (3, 1)


def test_the_moving_average_of_each_weight():
    optimizer, weights = keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.75), [keras.Variable([8.0])]
    optimizer.build(weights)
    assert moving_averages(optimizer) == []  # zeros, before the first step
    for _ in range(2):
        optimizer.apply([tf.constant([4.0])], weights)
    ((weight, average),) = moving_averages(optimizer)
    assert (weight is weights[0], float(weight[0]), float(average[0])) == (True, 0.0, 0.75 * 4.0)
    assert moving_averages(keras.optimizers.SGD()) == []


def test_the_moments_of_each_variable():
    optimizer, weights = keras.optimizers.Adam(beta_1=0.5, beta_2=0.75), [keras.Variable([1.0]), keras.Variable([2.0])]
    optimizer.apply([tf.constant([3.0]), tf.constant([8.0])], weights)
    moments = [[float(moment[0]) for moment in adam_moments(optimizer, weight)] for weight in weights]
    assert moments == [[1.5, 2.25], [4.0, 16.0]]


def test_a_step_that_is_not_finite_changes_nothing():
    weight = keras.Variable([1.0])
    optimizer = SkipNonFinite(keras.optimizers.SGD(1.0, momentum=0.5))
    optimizer.apply([tf.constant([0.25])], [weight])
    before = [variable.numpy() for variable in optimizer.variables]
    optimizer.apply([tf.constant([np.inf])], [weight])
    assert weight.numpy() == 0.75
    np.testing.assert_equal([variable.numpy() for variable in optimizer.variables], before)


@pytest.mark.parametrize(
    ("owner", "method", "private"),
    [
        (keras.optimizers.Adam, "update_step", "_get_variable_index, _momentums, _velocities"),
        (keras.optimizers.Optimizer, "apply", "_iterations, _trainable_variables"),
        (keras.optimizers.Optimizer, "_update_model_variables_moving_average", "_model_variables_moving_average"),
        (keras.optimizers.Optimizer, "_backend_update_step", "_all_reduce_sum_gradients"),
        (
            keras.optimizers.LossScaleOptimizer,
            "_common_apply",
            "_stateful_handle_finite_grads, _stateful_handle_non_finite_grads",
        ),
    ],
)
def test_another_version_is_refused_at_import(owner: type, method: str, private: str):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, method, lambda *_: None)
        with pytest.raises(ImportError, match=rf"glr needs Keras 3\.10 to 3\.15: .* does not use {private}$"):
            importlib.reload(keras_internals)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, method, None)
        with pytest.raises(ImportError, match=r"glr needs Keras 3\.10 to 3\.15: "):
            importlib.reload(keras_internals)
