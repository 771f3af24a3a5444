"""The parts of a run fit together, or one sentence says why not."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from omegaconf import DictConfig

from glr.config.check import composed
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from glr.optim.schedule import Constant
from glr.preflight.replica import OneOfMany
from glr.train.assembly import assembled, train_step

SMALL = ["backbone=small_cnn", "backbone.width=4", "data.image_size=16", "model.embedding_size=8"]
SMALL += ["data=folder", "train.batch_size=12", "strategy=cpu"]


def config(*overrides: str) -> DictConfig:
    return composed("train", [*SMALL, *overrides])[0]


def test_the_same_seed_gives_the_same_training(small_data: PreparedData):
    one, same, other = (assembled(config(f"seed={seed}"), small_data, None) for seed in (1, 1, 2))
    weights = [[weight.numpy() for weight in parts.model.trainable_variables] for parts in (one, same, other)]
    assert all(np.array_equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(weights[0], weights[2], strict=True))
    assert one.trainable == sum(weight.size for weight in weights[0])
    assert (one.pipeline.images, one.pipeline.steps_per_epoch, one.step.batch_size) == (72, 6, 12)


def test_the_schedule_ends_with_the_training(small_data: PreparedData):
    parts = assembled(config("train.epochs=3", "schedule=cosine", "optimizer.learning_rate=0.5"), small_data, None)
    rates = [float(parts.schedule(step)) for step in range(18)]
    expected = [0.25 * (1 + np.cos(np.pi * step / 18)) for step in range(18)]
    np.testing.assert_allclose(rates, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["data.train_on_validation=true"], r"but .* was prepared without data\.validation_share$"),
        (["train.batch_size=100"], r"^train\.batch_size=100, but .* has only 72 train images"),
    ],
)
def test_settings_that_do_not_fit_together(small_data: PreparedData, overrides: list[str], sentence: str):
    with pytest.raises(GlrError, match=sentence):
        assembled(config(*overrides), small_data, None)


def test_what_keras_has_for_one_replica_alone():
    accumulating = config("optimizer.gradient_accumulation_steps=2")
    with pytest.raises(GlrError, match=r"^optimizer\.gradient_accumulation_steps: Keras supports this on one replica"):
        train_step(accumulating, OneOfMany(8), lambda _: 0.1, classes=5)
    train_step(accumulating, OneOfMany(1), lambda _: 0.1, classes=5)


@pytest.mark.parametrize(
    ("overrides", "all_decay"),
    [
        (["optimizer=adamw"], False),
        (["optimizer=lamb", "train.on_nan=skip_batch"], False),
        (["optimizer=sgd", "train.weight_decay_on=all"], True),
    ],
)
def test_weight_decay_shrinks_the_kernels(overrides: list[str], all_decay: bool):
    """Without a gradient, a step multiplies what decays by 1 - rate * decay, and leaves the rest as it is."""
    decaying = config("optimizer.weight_decay=0.5", *overrides)
    step = train_step(decaying, OneOfMany(1), Constant(peak=0.1), classes=5)
    weights = step.model.trainable_variables
    for weight in weights:
        weight.assign(np.full(weight.shape, 2.0))
    step.strategy.run(lambda: step.optimizer.apply([tf.zeros(weight.shape) for weight in weights], weights))
    for weight in weights:
        factor = 0.95 if all_decay or weight.path.endswith("kernel") else 1.0
        np.testing.assert_allclose(weight.numpy(), 2 * factor, rtol=1e-6, err_msg=weight.path)
    assert {weight.path.split("/")[-1] for weight in weights} == {"kernel", "gamma", "beta", "p", "bias"}


def test_rates_fall_with_the_distance_from_the_output_and_the_head_has_its_own():
    """SGD moves each weight by its rate; weight decay shrinks it by the same rate."""
    rates = ["optimizer=sgd", "optimizer.momentum=0.0", "optimizer.weight_decay=0.5", "train.layer_decay=0.5"]
    rates += ["head=proxy_anchor", "train.head_rate=20"]
    network = ["backbone=resnet50_v2", "backbone.weights=null", "data.image_size=32"]
    decaying = composed("train", [*SMALL[3:], *rates, *network])[0]
    step = train_step(decaying, OneOfMany(1), Constant(peak=0.1), classes=5)
    weights = step.model.trainable_variables
    assert sum("conv2_block1_1_conv" in weight.path for weight in weights) == 1
    for weight in weights:
        weight.assign(np.full(weight.shape, 2.0))
    step.strategy.run(lambda: step.optimizer.apply([tf.ones(weight.shape) for weight in weights], weights))
    blocks = [
        f"conv{stack}_block{block}_"
        for stack, count in zip((2, 3, 4, 5), (3, 4, 6, 3), strict=True)
        for block in range(1, count + 1)
    ]
    for weight in weights:
        block = next((number for number, name in enumerate(blocks, 1) if name in weight.path), None)
        depth = block or (0 if "conv1_conv" in weight.path else len(blocks) + 1)
        rate = 0.1 * 0.5 ** (len(blocks) + 1 - depth) * (20 if weight is step.model.head.kernel else 1)
        decay = 0.5 if weight.path.endswith("kernel") else 0
        np.testing.assert_allclose(weight.numpy(), 2 * (1 - rate * decay) - rate, rtol=1e-6, err_msg=weight.path)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        (("layer_decay", 0.5), r"^train\.layer_decay=0\.5: the layers of SmallCNN form no blocks; give 1$"),
        (("head_rate", 9.0), r"^train\.head_rate=9\.0: Triplet\(hard, m=0\.2\) has no weights to train; give 1$"),
        (("drop_path", 0.5), r"^train\.drop_path=0\.5: this backbone has no blocks that glr knows; give 0$"),
    ],
)
def test_what_a_setting_needs_of_the_model_is_missing(setting: tuple[str, float], sentence: str):
    """The check of the config cannot know the classes of users."""
    settings = config("head=triplet")
    settings.train[setting[0]] = setting[1]
    with pytest.raises(GlrError, match=sentence):
        train_step(settings, OneOfMany(1), Constant(peak=0.1), classes=5)


def test_weights_to_start_from(small_data: PreparedData, tmp_path: Path):
    file = tmp_path / "a.weights.h5"
    parts = assembled(config(), small_data, None)
    parts.model.save_weights(file)
    again = assembled(config("seed=5"), small_data, file)
    for weight, same in zip(parts.model.variables, again.model.variables, strict=True):
        if "seed" not in weight.path:
            np.testing.assert_array_equal(weight.numpy(), same.numpy(), err_msg=weight.path)
    assert (
        again.model.origin == "took backbone (20 weights), pooling (1 weight), embedding (6 weights), head (2 weights)"
    )
    other = config("model.embedding_size=9", "init_from.file=a.weights.h5", "init_from.strict=true")
    with pytest.raises(GlrError, match=r"^init_from: .*a\.weights\.h5 does not hold weights of this model: embedding"):
        assembled(other, small_data, file)
    other.init_from.strict, other.init_from.parts = False, ["backbone"]
    assert assembled(other, small_data, file).model.origin == "took backbone (20 weights)"
