"""Every head over pairs, built from its own YAML, keeps what the template promises."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from glr.model.head.pairs import PairHead, among_positive, log_sum
from tests.model.head.choices import FILES, head_of, target_of

every_head = pytest.mark.parametrize(
    "file", [file for file in FILES if issubclass(target_of(file), PairHead)], ids=lambda file: file.stem
)
LABELS = np.array([0, 1, 0, 2, 1, 0, 2, 3])


def descriptors(seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.normal(size=(4, 6))[LABELS] + random.normal(0, 0.8, (8, 6))).astype(np.float32)


def losses(file, given: np.ndarray) -> np.ndarray:
    return head_of(file, 4)(tf.constant(given), tf.constant(LABELS))[0].numpy()


@every_head
def test_it_has_no_weights(file):
    head = head_of(file, 4)
    head.build((None, 6))
    assert head.built
    assert head.weights == []
    assert head.scale is None


@every_head
def test_correct_is_a_nearest_other_image_of_the_same_class(file):
    given = descriptors()
    given[4] = given[0]  # as near to image 0 of another class as to itself
    _, correct = head_of(file, 4)(tf.constant(given), tf.constant(LABELS))
    unit = given / np.linalg.norm(given, axis=1, keepdims=True)
    distances = np.linalg.norm(unit[:, None] - unit, axis=2) + np.diag(np.full(8, np.inf))
    expected = LABELS[distances.argmin(axis=1)] == LABELS
    assert {True, False} == set(expected)
    np.testing.assert_array_equal(correct, expected)


@every_head
def test_lengths_of_descriptors_and_the_order_of_the_batch_do_not_count(file):
    expected = losses(file, descriptors())
    scaled = losses(file, descriptors() * np.linspace(0.1, 50, 8, dtype=np.float32)[:, None])
    np.testing.assert_allclose(scaled, expected, rtol=1e-4)
    order = np.random.default_rng(1).permutation(8)
    given, labels = tf.constant(descriptors()[order]), tf.constant(LABELS[order])
    np.testing.assert_allclose(head_of(file, 4)(given, labels)[0], expected[order], rtol=1e-4)


@every_head
def test_a_small_step_against_the_gradient_brings_classes_together(file):
    def contrast(given: np.ndarray) -> float:
        unit = given / np.linalg.norm(given, axis=1, keepdims=True)
        same = LABELS[:, None] == LABELS
        cosines = unit @ unit.T
        return cosines[same & ~np.eye(8, dtype=bool)].mean() - cosines[~same].mean()

    given = tf.constant(descriptors())
    with tf.GradientTape() as tape:
        tape.watch(given)
        loss = tf.reduce_mean(head_of(file, 4)(given, tf.constant(LABELS))[0])
    step: Any = tape.gradient(loss, given)
    assert contrast((given - 0.01 * step / tf.norm(step)).numpy()) > contrast(given.numpy()) + 1e-4


@every_head
@pytest.mark.usefixtures("mixed_bfloat16")
@pytest.mark.parametrize(
    "labels",
    [[0, 0, 1, 1, 2], [0, 0, 0, 0, 0], [0, 1, 2, 3, 4]],
    ids=["usual", "one class", "no pair of a class"],
)
def test_finite_at_cosines_of_exactly_1_and_minus_1_in_mixed_bfloat16(file, labels):
    given = tf.constant([[1, 0, 0], [2, 0, 0], [-1, 0, 0], [0, 3, 0], [0, 0, 0]], tf.bfloat16)
    with tf.GradientTape() as tape:
        tape.watch(given)
        found, _ = head_of(file, 5)(given, tf.constant(labels))
    assert found.dtype == tf.float32
    for values in (found, tape.gradient(found, given)):
        assert np.isfinite(tf.cast(values, tf.float32)).all()
    assert (found.numpy() >= 0).all()


@every_head
def test_xla_compiles_it_and_agrees(file):
    """XLA, and so a TPU, accepts only static shapes and no Python."""
    given = tf.constant(descriptors()), tf.constant(LABELS, tf.int32)
    compiled, correct = tf.function(head_of(file, 4).call, jit_compile=True, autograph=False)(*given)
    np.testing.assert_allclose(compiled, losses(file, descriptors()), rtol=1e-4, atol=1e-6)
    assert correct.dtype == tf.bool


@every_head
def test_ideal_descriptors_have_a_smaller_loss_than_guesses(file):
    labels = np.array([0, 0, 1, 1, 7, 7])
    vertices = np.repeat(np.eye(3) - 1 / 3, 2, axis=0)
    head = head_of(file, 9)
    least = np.mean(head(tf.constant(vertices, tf.float32), tf.constant(labels))[0])
    assert head.simplex_loss(labels) == pytest.approx(least, rel=1e-4, abs=1e-6)
    guess = np.mean(head(tf.eye(6), tf.constant(labels))[0])
    assert head.guess_loss(labels) == pytest.approx(guess, rel=1e-5)
    assert least < 0.75 * guess


def test_the_logarithm_of_a_sum_over_a_mask():
    values = tf.constant([[1.0, 2.0, 300.0], [1.0, 2.0, 3.0]])
    mask = tf.constant([[True, True, False], [False, False, False]])
    np.testing.assert_allclose(log_sum(values, mask)[0], np.log(np.exp(1) + np.exp(2)), rtol=1e-6)
    np.testing.assert_array_equal(tf.nn.softplus(log_sum(values, mask))[1], 0)


def test_the_mean_of_the_losses_above_0():
    assert tf.reduce_mean(among_positive(tf.constant([0.0, 3.0, 5.0, 0.0]))) == 4
    np.testing.assert_array_equal(among_positive(tf.zeros(3)), np.zeros(3))
