"""Fused layers against Keras's own, and BatchNorm against an independent float64 formula."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from glr.model.fusion import fuse
from glr.model.kernels import compile_kernels, compiled

KERNELS = pytest.mark.parametrize("by_xla", [False, True], ids=["operation", "xla"])


def _norm(**settings: Any) -> keras.Model:
    inputs = keras.Input((5, 4, 3))
    network = keras.Model(inputs, keras.layers.BatchNormalization(momentum=0.0, name="norm", **settings)(inputs))
    fuse(network)
    return network


def _reference(x: np.ndarray, weights: np.ndarray, scale: np.ndarray, offset: np.ndarray, epsilon: float) -> list[Any]:
    """Outputs of BatchNorm and the gradients of sum(weights * outputs), by the chain rule, in float64."""
    axes = (0, 1, 2)
    count = x[..., 0].size
    mean, variance = x.mean(axes), x.var(axes)
    root = np.sqrt(variance + epsilon)
    unit = (x - mean) / root
    of_unit = weights * scale
    of_variance = (of_unit * (x - mean)).sum(axes) * -0.5 * root**-3
    of_mean = -of_unit.sum(axes) / root
    of_x = of_unit / root + of_variance * 2 * (x - mean) / count + of_mean / count
    return [unit * scale + offset, of_x, (weights * unit).sum(axes), weights.sum(axes), mean, variance]


@KERNELS
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_batch_norm_equals_the_formula(dtype: str, by_xla: bool):
    random = np.random.default_rng(0)
    x, weights = random.normal(2.0, 3.0, (6, 5, 4, 3)), random.normal(size=(6, 5, 4, 3))
    scale, offset = random.uniform(0.5, 2, 3), random.normal(size=3)
    network = _norm(dtype=dtype)
    norm: Any = network.get_layer("norm")
    norm.set_weights([scale, offset, np.zeros(3), np.ones(3)])
    inputs = tf.constant(x, dtype.removeprefix("mixed_"))
    with tf.GradientTape() as tape, compiled(by_xla):
        tape.watch(inputs)
        outputs = tf.cast(network(inputs, training=True), tf.float32)
        loss = tf.reduce_sum(outputs * weights.astype("float32"))
    gradients = tape.gradient(loss, [inputs, norm.gamma.value, norm.beta.value])
    expected = _reference(inputs.numpy().astype("float64"), weights, scale, offset, norm.epsilon)
    tolerance = {"float32": 1e-5, "mixed_bfloat16": 4e-2, "mixed_float16": 5e-3}[dtype]
    for got, right in zip([outputs, *gradients], expected, strict=False):
        np.testing.assert_allclose(tf.cast(got, tf.float32), right, atol=tolerance * np.abs(right).max())
    np.testing.assert_allclose(norm.moving_mean, expected[-2], rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, expected[-1], rtol=1e-4)


@KERNELS
@pytest.mark.parametrize("mean", [0.0, 100.0, 300.0, -4000.0])
def test_a_mean_far_from_zero_leaves_the_variance_right(mean: float, by_xla: bool):
    """E[x^2] - E[x]^2 in float32 is 3% wrong at a mean of 100 standard deviations, and 30% at 300."""
    x = np.random.default_rng(0).normal(mean, 1.0, (8, 56, 56, 3)).astype("float32")
    inputs = keras.Input((56, 56, 3))
    network = keras.Model(inputs, keras.layers.BatchNormalization(momentum=0.0, name="norm")(inputs))
    fuse(network)
    with compiled(by_xla):
        outputs = network(x, training=True)
    precise = x.astype("float64")
    variance = precise.var((0, 1, 2))
    norm: Any = network.get_layer("norm")
    np.testing.assert_allclose(norm.moving_variance, variance, rtol=2e-4)
    expected = (precise - precise.mean((0, 1, 2))) / np.sqrt(variance + norm.epsilon)
    np.testing.assert_allclose(outputs, expected, atol=1e-5 + 5e-6 * abs(mean))


@KERNELS
def test_a_channel_without_variance_stays_finite(by_xla: bool):
    network = _norm()
    with compiled(by_xla):
        outputs = network(tf.fill((7, 5, 4, 3), 1234.567), training=True)
    # The mean is right to some units in the last place: 1e-4, times 1 / sqrt(epsilon).
    np.testing.assert_allclose(outputs, 0.0, atol=5e-2)
    assert (np.asarray(network.get_layer("norm").get_weights()[3]) >= 0).all()


def _network() -> keras.Model:
    """One of each layer that is fused, and a sum that is not: its parts differ in shape."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    inputs = x = keras.Input((12, 12, 3))
    x = layers.ZeroPadding2D(1)(x)
    x = layers.Conv2D(8, 3, 2)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    y = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    y = layers.Conv2D(8, 3, 1, activation="relu")(layers.ZeroPadding2D(((1, 0), (1, 0)))(y))
    y = layers.BatchNormalization(scale=False)(y)
    y = layers.Activation("silu")(y)
    x = layers.Add()([x, y])
    x = layers.Concatenate()([x, layers.BatchNormalization(center=False)(x)])
    x = layers.MaxPooling2D(1, 2)(x)
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(x)
    return keras.Model(inputs, layers.Add()([x, layers.Conv2D(16, 1)(pooled)]))


def _values(network: keras.Model, by_xla: bool) -> list[tf.Tensor]:
    """The loss, gradients and running statistics of a step, and the outputs after it."""
    x = tf.constant(np.random.default_rng(0).normal(size=(6, 12, 12, 3)), tf.float32)
    weights = tf.constant(np.random.default_rng(1).normal(size=(6, 3, 3, 16)), tf.float32)

    @tf.function(autograph=False)
    def step() -> Any:
        with tf.GradientTape() as tape, compiled(by_xla):
            loss = tf.reduce_sum(network(x, training=True) * weights)
        return loss, tape.gradient(loss, [weight.value for weight in network.trainable_variables])

    loss, gradients = step()
    running = [tf.convert_to_tensor(value) for value in network.non_trainable_variables]
    return [loss, *gradients, *running, network(x, training=False)]


@KERNELS
def test_a_fused_network_equals_keras(by_xla: bool):
    plain, network = _network(), _network()
    fuse(network)
    for got, right in zip(_values(network, by_xla), _values(plain, by_xla=False), strict=True):
        # Biases before BatchNorm have no gradient but rounding errors, of gradients of some size 10.
        np.testing.assert_allclose(got, right, atol=5e-5 + 4e-5 * float(tf.reduce_max(tf.abs(right))))


def _nested(x: Any) -> Any:
    inputs = keras.Input((8, 8, 4))
    return keras.Model(inputs, keras.layers.Conv2D(4, 1)(inputs))(x)


def _several_readers(x: Any) -> Any:
    x = keras.layers.BatchNormalization()(x)
    return keras.layers.ReLU()(x) + x


def _shared_activation(x: Any) -> Any:
    relu = keras.layers.ReLU()
    return relu(keras.layers.BatchNormalization()(relu(keras.layers.BatchNormalization()(x))))


def _shared_norm(x: Any) -> Any:
    norm = keras.layers.BatchNormalization()
    return keras.layers.ReLU()(norm(x)) + norm(x + 1)


def _read_by_a_network(x: Any) -> Any:
    x = keras.layers.BatchNormalization()(x)
    return keras.layers.ReLU()(x) + _nested(x)


def _padded_twice_read(x: Any) -> Any:
    x = keras.layers.ZeroPadding2D(1)(x)
    return keras.layers.Conv2D(4, 3)(x) + x[:, 1:-1, 1:-1]


def _norm_is_an_output(x: Any) -> Any:
    x = keras.layers.BatchNormalization()(x)
    return [keras.layers.ReLU()(x), x]


def _convolutions(x: Any) -> Any:
    x = keras.layers.Conv2D(4, 3, groups=2)(keras.layers.ZeroPadding2D(1)(x))
    return keras.layers.Conv2D(4, 3, dilation_rate=2)(keras.layers.ZeroPadding2D(2)(x))


class _Doubled(keras.layers.BatchNormalization):
    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return tf.add_n([super().call(inputs, training=training, mask=mask)] * 2)


def _subclass(x: Any) -> Any:
    return keras.layers.Activation(partial(keras.activations.relu, negative_slope=0.1))(_Doubled()(x))


@pytest.mark.parametrize(
    "part",
    [
        *(_several_readers, _shared_activation, _shared_norm, _read_by_a_network),
        *(_padded_twice_read, _norm_is_an_output, _convolutions, _subclass),
    ],
)
def test_what_several_read_or_call_stays_as_it_is(part: Callable[[Any], Any]):
    results: list[Any] = []
    for fused in (False, True):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((8, 8, 4))
        network = keras.Model(inputs, part(inputs))
        if fused:
            fuse(network)
        x = tf.constant(np.random.default_rng(0).normal(size=(3, 8, 8, 4)), tf.float32)
        with tf.GradientTape() as tape:
            outputs = tf.nest.flatten(network(x, training=True))
            loss = tf.add_n([tf.reduce_sum(output**3) for output in outputs])
        gradients = tape.gradient(loss, [weight.value for weight in network.trainable_variables])
        results.append([*outputs, *gradients, *tf.nest.flatten(network(x, training=False))])
    for got, right in zip(results[1], results[0], strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-3, atol=1e-3)


def _operations(network: keras.Model, *, training: bool, by_xla: bool = False) -> Counter[str]:
    def step(x: tf.Tensor) -> tf.Tensor:
        with compiled(by_xla):
            return network(x, training=training)

    graph = tf.function(step, autograph=False).get_concrete_function(tf.TensorSpec((6, 12, 12, 3))).graph
    return Counter(operation.type for operation in graph.get_operations())


def test_the_operations_of_a_step():
    plain, network = _network(), _network()
    fuse(network)
    before, after = _operations(plain, training=True), _operations(network, training=True)
    # Per BatchNorm, Keras has a mean over the positions, and another one for the variance; per 1 x 1 pooling a maximum.
    assert (before["FusedBatchNormV3"], before["Mean"], before["Pad"], before["MaxPool"]) == (0, 7, 3, 1)
    assert (after["FusedBatchNormV3"], after["Mean"], after["Pad"], after["MaxPool"]) == (3, 1, 2, 0)
    by_xla = _operations(network, training=True, by_xla=True)
    kernels = 3 + 2 + 1 + 1  # BatchNorms with activations, biases over positions, a sum, a concatenation
    assert (by_xla["PartitionedCall"], by_xla["FusedBatchNormV3"], by_xla["ConcatV2"]) == (kernels, 0, 0)


def test_inference_has_no_kernel_of_its_own():
    """An exported model must run where XLA is not."""
    network = _network()
    fuse(network)
    operations = _operations(network, training=False)
    assert not {"PartitionedCall", "StatefulPartitionedCall", "FusedBatchNormV3"} & set(operations)


def test_kernels_are_compiled_before_the_first_step(caplog: pytest.LogCaptureFixture):
    network = _network()
    fuse(network)

    def traced(x: tf.Tensor) -> tf.Tensor:
        with compiled(True):
            return network(x, training=True)

    step: Any = tf.function(traced, autograph=False)
    x = tf.ones((5, 12, 12, 3))
    step.get_concrete_function(x)
    compile_kernels()
    assert np.isfinite(step(x)).all()
    assert "retracing" not in caplog.text


def test_synchronised_and_frozen_layers_stay_keras():
    for change in ({"synchronized": True}, {"trainable": False}):
        network = _network()
        for layer in network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                for name, value in change.items():
                    setattr(layer, name, value)
        fuse(network)
        assert _operations(network, training=True)["FusedBatchNormV3"] == 0
