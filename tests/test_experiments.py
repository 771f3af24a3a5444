"""Every experiment composes, and makes a training step at toy size."""

import re
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from omegaconf import DictConfig, OmegaConf

from glr.config.check import composed
from glr.config.component import build
from glr.config.installation import CONF
from glr.config.searchpath import choices
from glr.train.assembly import train_step
from glr.train.step import outcomes

EXPERIMENTS = choices("experiment")
NO_PART_OF_A_STEP = {"name", "study", "index", "highlights", "init_from"}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_composes_and_opens_with_its_command_and_its_question(name: str):
    config, chosen = composed("train", [f"experiment={name}"])
    assert chosen["experiment"] == name
    assert config.name == name.split("/")[-1]
    lines = (CONF / "experiment" / f"{name}.yaml").read_text().splitlines()
    assert lines[1] == f"# python -m glr.train experiment={name}"
    assert lines[2].startswith("# ")
    assert (config.data.label, config.backbone.weights) == ("GLDv2-clean", "imagenet")


class Step(NamedTuple):
    """A step's loss and penalty, and the largest change of the head's weights."""

    loss: float
    penalty: float
    change: float


def step_of(config: DictConfig, patch: pytest.MonkeyPatch) -> Step:
    schedule = build(config.schedule, steps_per_epoch=2, total_steps=2 * config.train.epochs)
    step = train_step(config, tf.distribute.OneDeviceStrategy("/cpu:0"), schedule, 5)
    patch.setattr(step, "_compiled", step._one)  # eager: tracing takes seconds
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3)).astype(np.uint8)
    batch = tf.constant(images), tf.constant([1, 4]), tf.tile(tf.eye(3, 4)[tf.newaxis], (2, 1, 1))
    before = step.model.head.weights[0].numpy()
    (measured,) = outcomes([(step(batch), 1)])
    keras.backend.clear_session()
    return Step(measured.loss, measured.penalty, np.abs(step.model.head.weights[0].numpy() - before).max())


@pytest.fixture(scope="module")
def steps() -> dict[str, Step]:
    """The steps taken so far, by their settings: experiments that differ in networks and numbers only share one."""
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_takes_a_step(name: str, steps: dict[str, Step], monkeypatch: pytest.MonkeyPatch):
    """A small network is enough: `test_backbone` tests the networks of all experiments."""
    config, _ = composed("train", [f"experiment={name}"])
    config.backbone = composed("train", ["backbone=small_cnn"])[0].backbone
    config.data.image_size, config.train.batch_size, config.model.embedding_size = 16, 2, 8
    used = OmegaConf.to_yaml(OmegaConf.masked_copy(config, sorted({*config} - NO_PART_OF_A_STEP)))
    used = re.sub(r"\b[\d.]+(e-\d+)?\b", "0", used)
    if used not in steps:
        steps[used] = step_of(config, monkeypatch)
    assert np.isfinite(steps[used].loss)
    assert (steps[used].penalty > 0) == (config.regularization.label is not None)
    assert steps[used].change > 0
