"""Losses and gradients equal those of pytorch-metric-learning (pytorch_metric_learning_values.py wrote them)."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.model.head.choices import FILES, target_of

VALUES = json.loads(Path(__file__).with_name("pytorch_metric_learning.json").read_text())
CLASSES = 5


@pytest.mark.parametrize("name", VALUES["cases"])
def test_loss_and_gradients(name):
    case = VALUES["cases"][name]
    head = target_of(next(file for file in FILES if file.stem == case["head"]))(
        num_classes=CLASSES, **case["arguments"]
    )
    descriptors = tf.constant(VALUES["descriptors"], tf.float32)
    head.build(descriptors.shape)
    if "kernel" in case:
        head.kernel.assign(case["kernel"])
    with tf.GradientTape() as tape:
        tape.watch(descriptors)
        loss = tf.reduce_mean(head(descriptors, tf.constant(VALUES["labels"], tf.int32))[0])
    np.testing.assert_allclose(loss, case["loss"], rtol=1e-5)
    wanted = [case["gradient"], *([case["kernel_gradient"]] if "kernel" in case else [])]
    found = tape.gradient(loss, [descriptors, *(weight.value for weight in head.trainable_weights)])
    for gradient, expected in zip(found, wanted, strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
