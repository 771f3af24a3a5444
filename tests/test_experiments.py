"""Every experiment composes, and makes a training step at toy size."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from glr.config.check import composed
from glr.config.component import build
from glr.config.installation import CONF
from glr.config.searchpath import choices
from glr.train.assembly import train_step
from glr.train.step import outcomes

EXPERIMENTS = choices("experiment")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_composes_and_opens_with_its_command_and_its_question(name: str):
    config, chosen = composed("train", [f"experiment={name}"])
    assert chosen["experiment"] == name
    assert config.name == name.split("/")[-1]
    lines = (CONF / "experiment" / f"{name}.yaml").read_text().splitlines()
    assert lines[1] == f"# python -m glr.train experiment={name}"
    assert lines[2].startswith("# ")
    assert (config.data.label, config.backbone.weights) == ("GLDv2-clean", "imagenet")


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_takes_a_step(name: str, monkeypatch: pytest.MonkeyPatch):
    """A small network is enough: `test_backbone` tests the networks of all experiments."""
    toy = ["backbone=small_cnn", "data.image_size=16", "train.batch_size=2", "model.embedding_size=8"]
    config, _ = composed("train", [f"experiment={name}", *toy])
    schedule = build(config.schedule, steps_per_epoch=2, total_steps=2 * config.train.epochs)
    step = train_step(config, tf.distribute.OneDeviceStrategy("/cpu:0"), schedule, 5)
    monkeypatch.setattr(step, "_compiled", step._one)  # eager: tracing takes seconds
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3)).astype(np.uint8)
    batch = tf.constant(images), tf.constant([1, 4]), tf.tile(tf.eye(3, 4)[tf.newaxis], (2, 1, 1))
    before = step.model.head.weights[0].numpy()
    (measured,) = outcomes([(step(batch), 1)])
    assert np.isfinite(measured.loss)
    assert (measured.penalty > 0) == (config.regularization.label is not None)
    assert np.abs(step.model.head.weights[0].numpy() - before).max() > 0
    keras.backend.clear_session()
