"""BatchNorm in one pass against Keras's own in two: outputs, running statistics and gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from glr.model.batch_norm import use_one_pass


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("shape", [(6, 5, 5, 3), (32, 4)])
def test_one_pass_equals_two(shape: tuple[int, ...], dtype: str):
    numbers = np.random.default_rng(0).normal(2.0, 3.0, shape).astype("float32")
    weights = tf.constant(np.random.default_rng(1).normal(size=shape), tf.float32)
    outputs, gradients, statistics = [], [], []
    for one_pass in (False, True):
        norm = keras.layers.BatchNormalization(momentum=0.9, dtype=dtype)
        norm.build(shape)
        if one_pass:
            use_one_pass(norm)
        inputs = tf.constant(numbers)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = tf.cast(norm(inputs, training=True), tf.float32)
            loss = tf.reduce_sum(weights * output)
        outputs.append(output)
        gradients.append(tape.gradient(loss, [inputs, norm.gamma.value, norm.beta.value]))
        statistics.append([norm.moving_mean.numpy(), norm.moving_variance.numpy()])
    tolerance = 1e-5 if dtype == "float32" else 2e-2
    np.testing.assert_allclose(outputs[1], outputs[0], atol=tolerance)
    for one, two in zip(gradients[1], gradients[0], strict=True):
        np.testing.assert_allclose(one, two, atol=tolerance, rtol=1e-4)
    for one, two in zip(statistics[1], statistics[0], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5)


def test_statistics_are_those_of_the_batch():
    numbers = np.random.default_rng(0).normal(2.0, 3.0, (6, 5, 5, 3))
    norm = keras.layers.BatchNormalization(momentum=0.0)
    norm.build(numbers.shape)
    use_one_pass(norm)
    norm(tf.constant(numbers, tf.float32), training=True)
    np.testing.assert_allclose(norm.moving_mean.numpy(), numbers.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance.numpy(), numbers.var((0, 1, 2)), rtol=1e-5)


def test_a_channel_without_variance_stays_finite():
    """E[x^2] - E[x]^2 rounds below zero there."""
    inputs = tf.fill((7, 3, 3, 2), 1234.567)
    norm = keras.layers.BatchNormalization()
    norm.build(inputs.shape)
    use_one_pass(norm)
    assert np.isfinite(norm(inputs, training=True)).all()
    assert (norm.moving_variance.numpy() >= 0).all()
