"""Six train steps as a job makes them have the losses of the papers' formulas, written here in float64."""

import math
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from glr.config.check import composed
from glr.config.component import build
from glr.optim.schedule import Constant
from glr.train.assembly import train_step
from glr.train.step import outcomes

BATCH, SIDE, CLASSES, RATE, DECAY, STEPS = 16, 32, 5, 0.01, 0.01, 6
Weights = list[tf.Tensor]


def normed(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tf.Tensor:
    """BatchNorm over all axes but the last, with the variance without Bessel's correction."""
    axes = list(range(len(x.shape) - 1))
    mean = tf.reduce_mean(x, axes)
    return gamma * (x - mean) / tf.sqrt(tf.reduce_mean((x - mean) ** 2, axes) + 1e-3) + beta


def cosines_of(images: np.ndarray, weights: Weights) -> tf.Tensor:
    """Four convolutions of stride 2 with BatchNorm and ReLU, GeM, the embedding, and cosines to the classes [B, C]."""
    x = tf.constant(images, tf.float64) / 127.5 - 1
    for block in range(4):
        kernel, gamma, beta = weights[3 * block : 3 * block + 3]
        x = tf.maximum(normed(tf.nn.conv2d(x, kernel, 2, "SAME"), gamma, beta), 0)
    p, kernel, bias, gamma, beta, classes = weights[12:]
    pooled = tf.reduce_mean(tf.maximum(x, 1e-6) ** p, [1, 2]) ** (1 / p)
    x = normed(pooled @ kernel + bias, gamma, beta)
    return x @ classes / (tf.norm(x, axis=1, keepdims=True) * tf.norm(classes, axis=0))


def arcface(cosines: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
    """s cos(theta + 0.5) for the own class, past pi s (cos(theta) - 0.5 sin(0.5)); s = sqrt(2) ln(C - 1)."""
    angles = tf.acos(cosines) + 0.5
    margin = tf.where(angles < math.pi, tf.cos(angles), cosines - 0.5 * math.sin(0.5))
    return math.sqrt(2) * math.log(CLASSES - 1) * tf.where(own, margin, cosines)


def adacos(cosines: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
    """s cos(theta), with s = ln(C - 1) / cos(min(pi / 4, median of the own classes' angles))."""
    median = np.median(np.arccos(cosines.numpy()[own]))
    return math.log(CLASSES - 1) / math.cos(min(math.pi / 4, median)) * cosines


def loss_of(logits: Callable, images: np.ndarray, labels: np.ndarray, weights: Weights) -> tf.Tensor:
    """The mean cross-entropy, and the decay times the sum of squares of the head's kernel."""
    own = np.eye(CLASSES, dtype=bool)[labels]
    scaled = logits(cosines_of(images, weights), own)
    cross = tf.math.log(tf.reduce_sum(tf.exp(scaled), 1)) - tf.boolean_mask(scaled, own)
    return tf.reduce_mean(cross) + DECAY * tf.reduce_sum(weights[-1] ** 2)


def sgd(step: int, weight: np.ndarray, gradient: np.ndarray, moments: np.ndarray) -> np.ndarray:  # noqa: ARG001
    """Momentum of 0.9."""
    moments[0] = 0.9 * moments[0] - RATE * gradient
    return weight + moments[0]


def adam(step: int, weight: np.ndarray, gradient: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Kingma and Ba, arXiv:1412.6980, as at the end of section 2, with epsilon 1e-7."""
    moments[:] = 0.9 * moments[0] + 0.1 * gradient, 0.999 * moments[1] + 0.001 * gradient**2
    rate = RATE * math.sqrt(1 - 0.999**step) / (1 - 0.9**step)
    return weight - rate * moments[0] / (np.sqrt(moments[1]) + 1e-7)


@pytest.mark.parametrize(
    ("head", "optimizer", "logits", "update"),
    [("arcface", "sgd", arcface, sgd), ("adacos_semi", "adam", adacos, adam)],
)
def test_the_losses_of_six_steps(head: str, optimizer: str, logits: Callable, update: Callable):
    chosen = ["backbone=small_cnn", "backbone.width=4", "pooling=gem", f"head={head}", f"optimizer={optimizer}"]
    chosen += [f"optimizer.learning_rate={RATE}", "regularization=l2", f"regularization.weight_decay={DECAY}"]
    chosen += ["model.embedding_size=8", f"data.image_size={SIDE}", "data.normalization=minus_one_one"]
    config, _ = composed("train", [*chosen, f"train.batch_size={BATCH}", "train.precision=float32"])
    keras.utils.set_random_seed(0)
    step = train_step(config, build(config.strategy), Constant(peak=RATE), CLASSES)
    weights = [weight.numpy().astype(np.float64) for weight in step.model.trainable_variables]
    moments = [np.zeros((2, *weight.shape)) for weight in weights]
    random = np.random.default_rng(0)
    colours = tf.tile(tf.eye(3, 4)[tf.newaxis], [BATCH, 1, 1])
    expected, measured = [], []
    for number in range(1, STEPS + 1):
        images = random.integers(0, 256, (BATCH, SIDE, SIDE, 3), np.uint8)
        labels = random.integers(0, CLASSES, BATCH, np.int32)
        measured.append((step((tf.constant(images), tf.constant(labels), colours)), 1))
        constants = [tf.constant(weight) for weight in weights]
        with tf.GradientTape() as tape:
            tape.watch(constants)
            expected.append(loss := loss_of(logits, images, labels, constants))
        gradients = [gradient.numpy() for gradient in tape.gradient(loss, constants)]
        weights = [update(number, *parts) for parts in zip(weights, gradients, moments, strict=True)]
    np.testing.assert_allclose([each.loss for each in outcomes(measured)], expected, rtol=1e-5)
    assert np.ptp(expected) > 0.05  # the losses change from step to step
