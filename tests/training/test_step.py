"""The train step: it learns, the penalty is in the loss, and replicas do not change it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from glr.backbone import SmallCNN
from glr.errors import DivergedError
from glr.head.norm_softmax import NormSoftmax
from glr.model import RetrievalModel, normalise
from glr.pooling import GeM
from glr.regularization import L2, Unregularized
from glr.schedule import Constant
from glr.training.loop import epochs
from glr.training.step import TrainStep

BATCH = 8


def make(
    regularization: object = None, optimizer: keras.optimizers.Optimizer | None = None, seed: int = 0
) -> TrainStep:
    keras.utils.set_random_seed(seed)
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    with strategy.scope():
        model = RetrievalModel(
            SmallCNN(width=4, weights=None, trainable="all", batchnorm_momentum=0.9, image_size=16),
            GeM(p=3.0, learnable=True, floor=1e-6),
            NormSoftmax(num_classes=4, scale=10.0),
            embedding_size=8,
            batchnorm_momentum=0.9,
            normalization="minus_one_one",
        )
        optimizer = optimizer or keras.optimizers.Adam(0.01)
    schedule = Constant(peak=float(optimizer.learning_rate))
    return TrainStep(model, optimizer, schedule, regularization or Unregularized(), strategy, BATCH)


def batches(step: TrainStep):
    random = np.random.default_rng(0)
    labels = np.arange(BATCH, dtype=np.int32) % 4
    images = (random.integers(0, 60, (BATCH, 16, 16, 3)) + 60 * labels[:, None, None, None] % 200).astype(np.uint8)
    data = tf.data.Dataset.from_tensors((images, labels, np.tile(np.eye(3, 4, dtype=np.float32), (BATCH, 1, 1))))
    return iter(step.strategy.experimental_distribute_dataset(data.repeat()))


def test_learns_a_batch():
    step = make()
    history = list(epochs(step, batches(step), first=1, last=6, steps_per_epoch=10))
    assert history[-1]["loss"] < 0.2 * history[0]["loss"]
    assert history[-1]["accuracy"] == 1.0
    assert history[0]["learning_rate"] == pytest.approx(0.01)
    assert history[0]["head_scale"] == pytest.approx(10.0)
    assert history[0]["images_per_second"] == pytest.approx(80 / history[0]["seconds"])


@pytest.mark.parametrize("scope", ["head", "all"])
def test_the_penalty_is_in_the_loss_and_pulls_the_weights(scope: str):
    free, bound = (
        make(optimizer=keras.optimizers.SGD(1e-20)),
        make(L2(weight_decay=0.5, scope=scope), keras.optimizers.SGD(1e-20)),
    )
    for step in (free, bound):
        step(batches(step))
    expected = 0.5 * np.sum(np.square(bound.model.head.kernel.numpy()))
    if scope == "all":
        kernels = [w.numpy() for w in bound.model.network.trainable_variables if w.path.endswith("kernel")]
        expected += 0.5 * sum(np.sum(np.square(k)) for k in kernels)
    assert bound.means()["penalty"] == pytest.approx(expected, rel=1e-5)
    assert bound.means()["loss"] - free.means()["loss"] == pytest.approx(expected, rel=1e-4)
    assert free.means()["penalty"] == 0
    # With the cross-entropy's share removed, one SGD step shrinks W by rate * 2 * weight_decay * W.
    free, bound = (
        make(optimizer=keras.optimizers.SGD(0.1)),
        make(L2(weight_decay=0.5, scope=scope), keras.optimizers.SGD(0.1)),
    )
    start = bound.model.head.kernel.numpy()
    for step in (free, bound):
        step(batches(step))
    np.testing.assert_allclose(
        bound.model.head.kernel.numpy() - free.model.head.kernel.numpy(), -0.1 * start, rtol=1e-3, atol=1e-6
    )


def test_the_loss_is_the_mean_over_the_global_batch():
    step = make(optimizer=keras.optimizers.SGD(1e-20))
    images, labels, colours = next(batches(step))
    losses, correct = step.model.losses_of(images, labels, colours)
    step(batches(step))
    assert step.means()["loss"] == pytest.approx(float(tf.reduce_mean(losses)), rel=1e-5)
    assert step.means()["accuracy"] == pytest.approx(float(np.mean(correct.numpy())))


def test_loss_scaling_does_not_change_the_step():
    plain, scaled = (
        make(optimizer=keras.optimizers.SGD(0.1)),
        make(optimizer=keras.optimizers.SGD(0.1, loss_scale_factor=64.0)),
    )
    for step in (plain, scaled):
        step(batches(step))
    for a, b in zip(plain.model.trainable_variables, scaled.model.trainable_variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)
    assert plain.means()["loss"] == pytest.approx(scaled.means()["loss"])


def test_a_loss_that_is_no_number_stops_with_step_and_rate():
    step = make()
    kernel = step.model.network.trainable_variables[0]
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(DivergedError, match=r"the loss became nan at or shortly before step 1 .*learning rate 0\.01"):
        list(epochs(step, batches(step), first=1, last=5, steps_per_epoch=5))


def test_weights_that_explode_behind_bounded_cosines_stop_at_once():
    step = make(optimizer=keras.optimizers.SGD(1e9))
    exploded = r"the head's weights exploded \(the largest is [\d.]+e\+\d+\) at or shortly before step 1 "
    with pytest.raises(DivergedError, match=exploded):
        list(epochs(step, batches(step), first=1, last=5, steps_per_epoch=5))


def test_colour_changes_are_applied_to_the_normalised_image():
    step = make()
    images, labels, colours = next(batches(step))
    darker = colours + np.array([[0, 0, 0, -0.1]], np.float32)
    shifted = step.model.losses_of(images, labels, darker)[0]
    network = step.model.network
    by_hand = step.model.head(network(normalise(images, "minus_one_one") - 0.1, training=True), labels)[0]
    np.testing.assert_allclose(shifted, by_hand, rtol=1e-5)


@pytest.mark.parametrize(
    ("normalization", "black", "white"),
    [
        ("zero_one", [0, 0, 0], [1, 1, 1]),
        ("minus_one_one", [-1, -1, -1], [1, 1, 1]),
        ("imagenet", [-2.1179, -2.0357, -1.8044], [2.2489, 2.4286, 2.64]),
    ],
)
def test_normalise(normalization: str, black: list[float], white: list[float]):
    pixels = tf.constant([[[[0, 0, 0], [255, 255, 255]]]], tf.uint8)
    np.testing.assert_allclose(normalise(pixels, normalization)[0, 0], [black, white], atol=1e-3)
