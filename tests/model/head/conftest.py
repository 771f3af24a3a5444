"""What the tests of all heads share: a small problem, and softmax cross-entropy over it in float64 NumPy."""

from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf


@dataclass
class Problem:
    """Descriptors [B, D] of any length, class weights [D, C] of any length, labels [B]."""

    descriptors: np.ndarray
    kernel: np.ndarray
    labels: np.ndarray

    @property
    def num_classes(self):
        return self.kernel.shape[1]

    @property
    def one_hot(self):
        return np.eye(self.num_classes, dtype=bool)[self.labels]

    @property
    def angles(self):
        """[B, C] radians, by the law of cosines."""
        d = self.descriptors / np.linalg.norm(self.descriptors, axis=1, keepdims=True)
        w = self.kernel / np.linalg.norm(self.kernel, axis=0)
        return np.arccos(1 - np.sum((d[:, :, None] - w[None]) ** 2, axis=1) / 2)

    @property
    def own_angles(self):
        return self.angles[self.one_hot]

    def cross_entropy(self, logits):
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return -np.log(p[self.one_hot])

    def build(self, head):
        """Give the head this problem's class weights, to each of several centres the same."""
        head.build((None, self.kernel.shape[0]))
        head.kernel.assign(np.tile(self.kernel, (1, head.kernel.shape[1] // self.num_classes)))
        return head

    def inputs(self):
        return tf.constant(self.descriptors, tf.float32), tf.constant(self.labels, tf.int32)

    def losses(self, head):
        return head(*self.inputs())[0].numpy()


@pytest.fixture
def mixed_bfloat16():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    yield
    keras.mixed_precision.set_global_policy("float32")


@pytest.fixture
def problem_of():
    """Make a problem: problem_of(seed, ...); `own` are the angles from the own classes, by turns; random if None."""

    def make(seed, batch=8, own=None, size=12, num_classes=7):
        random = np.random.default_rng(seed)
        kernel = random.normal(size=(size, num_classes)) * random.uniform(0.2, 3, num_classes)
        labels = random.integers(num_classes, size=batch)
        descriptors = random.normal(size=(batch, size))
        if own is not None:
            axes = (kernel / np.linalg.norm(kernel, axis=0))[:, labels].T
            across = descriptors - np.sum(descriptors * axes, axis=1, keepdims=True) * axes
            across /= np.linalg.norm(across, axis=1, keepdims=True)
            own = np.resize(own, batch)[:, None]
            descriptors = np.cos(own) * axes + np.sin(own) * across
        return Problem(descriptors * random.uniform(0.1, 9, (batch, 1)), kernel, labels)

    return make
