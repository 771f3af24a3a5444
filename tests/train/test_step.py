"""The train step: it learns, the penalty is in the loss, and replicas do not change it."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from glr.config.check import composed
from glr.errors import GlrError
from glr.model.backbone import SmallCNN
from glr.model.head.norm_softmax import NormSoftmax
from glr.model.network import RetrievalModel, normalise
from glr.model.pooling import GeM
from glr.optim.regularization import L2, Unregularized
from glr.optim.schedule import Constant
from glr.preflight.replica import OneOfMany
from glr.train.assembly import train_step
from glr.train.step import Outcome, TrainStep, outcomes

BATCH = 8


def make(
    regularization: object = None, optimizer: keras.optimizers.Optimizer | None = None, ema: float = 0.0, **options: Any
) -> TrainStep:
    keras.utils.set_random_seed(0)
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
        optimizer = optimizer or keras.optimizers.Adam(0.01, use_ema=ema > 0, ema_momentum=ema)
    schedule = Constant(peak=float(optimizer.learning_rate))
    return TrainStep(model, optimizer, schedule, regularization or Unregularized(), strategy, BATCH, **options)


class Remade:
    """Fresh steps. Each kind is compiled once, since tracing takes longer than the tests themselves."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[TrainStep, list[np.ndarray]]] = {}

    def __call__(self, kind: str, make: Callable[[], TrainStep]) -> TrainStep:
        """A step of this kind, with the variables that it began with."""
        if kind not in self._made:
            step = make()
            self._made[kind] = step, state(step)
        step, first = self._made[kind]
        for variable, values in zip(step.variables, first, strict=True):
            variable.assign(values)
        return step


@pytest.fixture(scope="module")
def remade() -> Remade:
    return Remade()


def sgd(remade: Remade, scope: str | None = None) -> TrainStep:
    """A step of plain SGD at the rate 0.1, with a penalty on the weights of `scope`."""
    penalty = L2(weight_decay=0.5, scope=scope) if scope else None
    return remade(f"sgd {scope}", lambda: make(penalty, keras.optimizers.SGD(0.1)))


def batch_of(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    labels = np.arange(BATCH, dtype=np.int32) % 4
    noise = np.random.default_rng(seed).integers(0, 60, (BATCH, 16, 16, 3))
    images = (noise + 60 * labels[:, None, None, None] % 200).astype(np.uint8)
    return images, labels, np.tile(np.eye(3, 4, dtype=np.float32), (BATCH, 1, 1))


def made(step: TrainStep, *batches: Any) -> list[Outcome]:
    """Make a step with each batch."""
    return outcomes([(step(tuple(map(tf.constant, batch or batch_of()))), 1) for batch in batches or [None]])


def state(step: TrainStep) -> list[np.ndarray]:
    return [variable.numpy() for variable in step.variables]


@pytest.mark.parametrize("scope", ["head", "all"])
def test_the_penalty_is_in_the_loss_and_pulls_the_weights(remade: Remade, scope: str):
    free, bound = sgd(remade), sgd(remade, scope)
    start = bound.model.head.kernel.numpy()
    expected = 0.5 * np.sum(np.square(start))
    if scope == "all":
        kernels = [w.numpy() for w in bound.model.network.trainable_variables if w.path.endswith("kernel")]
        expected += 0.5 * sum(np.sum(np.square(k)) for k in kernels)
    (without,), (with_it,) = (made(step) for step in (free, bound))
    assert with_it.penalty == pytest.approx(expected, rel=1e-5)
    assert with_it.loss - without.loss == pytest.approx(expected, rel=1e-4)
    assert without.penalty == 0
    # With the cross-entropy's share removed, one SGD step shrinks W by rate * 2 * weight_decay * W.
    np.testing.assert_allclose(
        bound.model.head.kernel.numpy() - free.model.head.kernel.numpy(), -0.1 * start, rtol=1e-3, atol=1e-6
    )


def test_the_loss_is_the_mean_over_the_global_batch(remade: Remade):
    step = sgd(remade)
    losses, correct = step.model.losses_of(*map(tf.constant, batch_of()))
    (measured,) = made(step)
    assert measured.loss == pytest.approx(float(tf.reduce_mean(losses)), rel=1e-5)
    assert measured.accuracy == pytest.approx(float(np.mean(correct.numpy())))
    assert measured.skipped == 0


def test_loss_scaling_does_not_change_the_step(remade: Remade):
    plain, scaled = sgd(remade), make(optimizer=keras.optimizers.SGD(0.1, loss_scale_factor=64.0))
    (one,), (other,) = made(plain), made(scaled)
    for a, b in zip(plain.model.trainable_variables, scaled.model.trainable_variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)
    assert one.loss == pytest.approx(other.loss)


def test_several_steps_in_one_call_are_the_same_steps(remade: Remade):
    one, several = remade("plain", make), make(steps_per_call=3)
    batches = [batch_of(seed) for seed in range(5)]
    expected = made(one, *batches)
    stacks = [batches[:3], [*batches[3:], batches[0]]]  # what fills the last stack up has no meaning
    calls = [tuple(tf.constant(np.stack(arrays)) for arrays in zip(*stack, strict=True)) for stack in stacks]
    measured = outcomes([(several(call, steps), steps) for call, steps in zip(calls, (3, 2), strict=True)])
    np.testing.assert_allclose(measured, expected, rtol=1e-4, atol=1e-6)
    for a, b in zip(state(one), state(several), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_evaluations_use_the_moving_averages_and_training_goes_on_exactly():
    step = make(ema=0.75)
    weights = step.model.trainable_variables
    step.swap_averages()
    assert all(a is b for a, b in zip(step.evaluated, step.model.variables, strict=True))  # there is no average yet
    expected: dict[int, np.ndarray] = {}
    for number in range(3):
        gradients = [tf.fill(weight.shape, 1.0 - number) for weight in weights]
        step.strategy.run(step.optimizer.apply, (gradients, weights))
        for weight in weights:
            average = expected.setdefault(id(weight), weight.numpy())
            expected[id(weight)] = 0.75 * average + 0.25 * weight.numpy()
    before = state(step)
    evaluated = [variable.numpy() for variable in step.evaluated]
    for variable, values in zip(step.model.variables, evaluated, strict=True):
        np.testing.assert_allclose(values, expected.get(id(variable), variable.numpy()), rtol=1e-5, atol=1e-7)
        assert not variable.trainable or not np.array_equal(values, variable.numpy())
    step.swap_averages()
    np.testing.assert_equal([variable.numpy() for variable in step.model.variables], evaluated)
    step.swap_averages()
    np.testing.assert_equal(state(step), before)


def test_a_batch_without_a_finite_gradient_changes_nothing(remade: Remade):
    images, labels, colours = batch_of()
    broken = images, labels, np.full_like(colours, np.inf)
    step, sound = make(skip_non_finite=True), remade("plain", make)
    made(step)
    before = state(step)
    (skipped,) = made(step, broken)
    assert skipped.skipped == 1
    assert not np.isfinite(skipped.loss)
    for old, new in zip(before, state(step), strict=True):
        np.testing.assert_array_equal(old, new)
    # Skipping itself changes no step: the same batches give the same weights as without it.
    (following,) = made(step, batch_of(1))
    _, expected = made(sound, batch_of(), batch_of(1))
    assert following == pytest.approx(expected)
    for a, b in zip(sound.model.variables, step.model.variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)
    # And without it, this batch destroys them.
    made(sound, broken)
    assert not all(np.isfinite(values).all() for values in state(sound))


def test_brightness_is_in_units_of_the_normalised_image():
    step = make()
    images, labels, colours = map(tf.constant, batch_of())
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


@pytest.mark.parametrize("setting", ["gradient_accumulation_steps", "ema_overwrite_frequency"])
def test_what_keras_has_for_one_replica_alone_is_refused_on_several(setting: str):
    config, _ = composed("train", ["backbone=small_cnn", "data.image_size=16", f"optimizer.{setting}=2"])
    with pytest.raises(GlrError, match=rf"optimizer\.{setting}: Keras supports this on one replica only, not on 2"):
        train_step(config, OneOfMany(2), Constant(peak=0.1), 5)
