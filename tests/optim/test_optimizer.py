"""The fused Adam is Keras's Adam."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from glr.optim import optimizer


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3},
        {"amsgrad": True},
        {"clipnorm": 0.5},
        {"gradient_accumulation_steps": 3},
    ],
)
def test_agrees_with_keras_over_many_steps(name: str, settings: dict[str, float]):
    random = np.random.default_rng(0)
    start = random.normal(size=(5, 3)).astype(np.float32)
    rates = keras.optimizers.schedules.CosineDecay(0.1, 30)
    ours, theirs = keras.Variable(start), keras.Variable(start)
    fused = getattr(optimizer, name)(rates, **settings)
    reference = getattr(keras.optimizers, name)(rates, **settings)
    apply = tf.function(lambda gradient: fused.apply([gradient], [ours]))
    for _ in range(25):
        gradient = random.normal(size=(5, 3)).astype(np.float32) * 10 ** random.uniform(-4, 2)
        apply(tf.constant(gradient))
        reference.apply([tf.constant(gradient)], [theirs])
    assert np.abs(ours.numpy() - start).max() > 0.1
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=2e-5, atol=2e-6)


def test_the_formula_of_the_paper():
    weights = keras.Variable(np.array([1.0, -2.0], np.float32))
    adam = optimizer.Adam(0.1, beta_1=0.9, beta_2=0.99, epsilon=1e-7)
    w, m, v = np.array([1.0, -2.0]), 0.0, 0.0
    for step, gradient in enumerate(([0.5, -1.0], [0.1, 3.0], [-2.0, 0.2]), start=1):
        adam.apply([tf.constant(gradient)], [weights])
        m, v = 0.9 * m + 0.1 * np.array(gradient), 0.99 * v + 0.01 * np.square(gradient)
        w = w - 0.1 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.99**step)) + 1e-7)
    np.testing.assert_allclose(weights.numpy(), w, rtol=1e-5)


def _after_three_updates(adam: keras.optimizers.Adam) -> list[float]:
    weight = keras.Variable([1.0, 2.0])
    adam.build([weight])

    @tf.function(autograph=False)
    def updates() -> None:
        for gradient in (1.0, -3.0, 0.5):
            adam.apply([tf.constant([gradient, 2 * gradient])], [weight])

    updates()
    return weight.numpy().tolist()


def test_several_updates_in_one_function():
    """Each has the powers of its own step."""
    expected = _after_three_updates(keras.optimizers.Adam(0.01))
    assert _after_three_updates(optimizer.Adam(0.01)) == pytest.approx(expected, abs=1e-6)
