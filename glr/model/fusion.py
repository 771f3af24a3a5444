"""Layers of a network with fewer passes over their activations: memory traffic takes most of a step's time on a GPU.

What the layers compute, their weights and their names stay.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from threading import Lock
from typing import Any

import keras
import tensorflow as tf

from glr.keras_internals import calls

_Activation = Callable[[Any], Any]
_PIXELWISE = [getattr(keras.activations, name) for name in ("relu", "relu6", "silu", "hard_silu", "gelu")]


_differentiated: Any = tf.custom_gradient  # of a function that returns its outputs and the function of its gradients
_COMPILED = ContextVar("compiled", default=False)


def fuse(network: keras.Model) -> None:
    """Change a network's layers in place.

    - BatchNorm of training batches [B, h, w, C] is TensorFlow's fused operation. Keras composes BatchNorm of a dozen
      operations, each of which reads or writes all activations, in float32.
    - Zeros that are added around the input of a convolution become the convolution's padding.
    - A maximum over 1 x 1 positions is a slice.

    Layers called in `compiled()` use kernels of XLA. BatchNorm is then two kernels with the activation after it, one
    for the outputs and one for the gradients. Sums, concatenations and biases have kernels, too: TensorFlow's own for
    bfloat16 read and write one number at a time.
    """
    readers = _only_readers(network)
    for layer in network.layers:
        only: Any = readers.get(layer)
        if type(layer) is keras.layers.BatchNormalization:
            _normalising(layer, _pixelwise(only))
            if _pixelwise(only):
                only.call = _unchanged
        elif type(layer) is keras.layers.ZeroPadding2D and _pads(layer, only):
            _padded(only, layer.padding)
            layer.call = _unchanged
        elif type(layer) is keras.layers.MaxPooling2D and layer.pool_size == (1, 1) and _channels_last(layer):
            _sliced(layer)
        elif type(layer) is keras.layers.Add and len({tuple(part.shape) for part in layer.input}) == 1:
            _added(layer)
        elif type(layer) is keras.layers.Concatenate:
            _concatenated(layer)
    for layer in network.layers:
        if type(layer) is keras.layers.Conv2D and layer.use_bias and _over_positions(layer):
            _biased(layer)


def is_fused(layer: keras.layers.Layer) -> bool:
    """Return True if the layer before or after this one does its work."""
    return layer.call is _unchanged


@contextmanager
def compiled(yes: bool) -> Iterator[None]:
    """In this context, layers that `fuse` changed use kernels compiled by XLA, if `yes`; use it to train on GPUs."""
    token = _COMPILED.set(yes)
    try:
        yield
    finally:
        _COMPILED.reset(token)


def compile_kernels() -> None:
    """Compile the kernels of all functions traced so far, in parallel; the first step would compile one by one."""
    waiting = [(_inside(kernel), kernel.inputs, device) for kernel, device in _TRACED.items() if _is_complete(kernel)]
    _TRACED.clear()
    with ThreadPoolExecutor() as threads:
        for call in [threads.submit(_first_call, *call) for call in waiting]:
            call.result()


_ONE_AT_A_TIME = Lock()
_TRACED: dict[Any, str] = {}  # kernels that are not compiled yet, with their device, in the order of their use


class _Kernel:
    """A function of tensors and settings, compiled once for all layers with the same shapes and settings."""

    def __init__(self, function: Callable[..., Any]):
        self._traced: Any = tf.function(function, autograph=False, jit_compile=True)

    def __call__(self, *arguments: Any) -> Any:
        kernel = self._traced.get_concrete_function(*arguments)
        tensors = [argument for argument in arguments if tf.is_tensor(argument)]
        _TRACED[kernel] = tensors[0].device
        return kernel(*tensors)


def _inside(kernel: Any) -> Any:
    """A function that calls a kernel as a step does: TensorFlow compiles it apart from a direct call of the kernel."""
    specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in kernel.inputs]
    call: Any = tf.function(lambda *tensors: kernel(*tensors), autograph=False)
    return call.get_concrete_function(*specs)


def _is_complete(kernel: Any) -> bool:
    return all(tensor.shape.is_fully_defined() for tensor in kernel.inputs)


def _first_call(call: Any, inputs: Sequence[Any], device: str) -> None:
    with suppress(tf.errors.OpError), tf.device(device):  # what is not compiled here, the first step compiles
        # Zeros made by several threads at once were seen with another thread's shape on a GPU.
        with _ONE_AT_A_TIME:
            zeros = [tf.zeros(tensor.shape, tensor.dtype) for tensor in inputs]
        call(*zeros)


def _only_readers(network: keras.Model) -> dict[Any, Any]:
    """Each layer whose outputs one other layer reads and nothing else, with that layer; both are called once."""
    nodes = calls(network)
    times = Counter(node.operation for node in nodes)
    sources = {id(tensor): node.operation for node in nodes for tensor in node.output_tensors}
    readers: dict[Any, list[Any]] = {}
    for node in nodes:
        for tensor in node.input_tensors:
            readers.setdefault(sources[id(tensor)], []).append(node.operation)
    for tensor in network.outputs:
        readers.setdefault(sources[id(tensor)], []).append(None)
    return {
        source: those[0] for source, those in readers.items() if len(those) == times[source] == times[those[0]] == 1
    }


def _pixelwise(layer: Any) -> Any:
    """The function that a layer applies to each number by itself, if it is a known one."""
    if type(layer) is keras.layers.Activation and layer.activation in _PIXELWISE:
        return layer.activation
    if type(layer) is keras.layers.ReLU and not (layer.max_value or layer.negative_slope or layer.threshold):
        return keras.activations.relu
    return None


def _channels_last(layer: Any) -> bool:
    return layer.data_format == "channels_last"


def _over_positions(convolution: Any) -> bool:
    return _channels_last(convolution) and convolution.output.shape[1:3] != (1, 1)


def _unchanged(inputs: tf.Tensor) -> tf.Tensor:
    return inputs


def _pads(layer: Any, reader: Any) -> bool:
    """Return True if a layer's zeros can be the padding of its only reader.

    GPUs have no uneven padding, and CPUs no gradients of grouped or dilated convolutions but those that Keras compiles.
    """
    if type(reader) is not keras.layers.Conv2D or not (_channels_last(layer) and _channels_last(reader)):
        return False
    plain = (reader.padding, reader.groups, tuple(reader.dilation_rate)) == ("valid", 1, (1, 1))
    return plain and all(before == after for before, after in layer.padding)


def _padded(convolution: Any, padding: Any) -> None:
    around = [[0, 0], *map(list, padding), [0, 0]]
    conv2d: Any = tf.nn.conv2d
    convolution.convolution_op = lambda inputs, kernel: conv2d(
        inputs, tf.convert_to_tensor(kernel), convolution.strides, around
    )


def _sliced(pooling: Any) -> None:
    high, wide = pooling.strides
    pooling.call = lambda inputs: inputs[:, ::high, ::wide]


def _normalising(norm: Any, activation: _Activation | None) -> None:
    """Replace a BatchNorm's training, and include the activation after it.

    Inference stays Keras's, as does training with statistics over all replicas. The running variance follows the mean
    of (x - mean)^2 on every device, as in Keras, without Bessel's correction.
    """
    composed, activation = norm.call, activation or _unchanged

    def call(inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None) -> tf.Tensor:
        in_channels = norm.axis in (-1, 3) and inputs.shape.rank == 4
        elsewhere = norm.synchronized or norm.renorm or mask is not None
        if not (training and norm.trainable and in_channels) or elsewhere:
            return activation(composed(inputs, training=training, mask=mask))
        channels = inputs.shape[-1]
        scale = tf.cast(norm.gamma, tf.float32) if norm.scale else tf.ones([channels])
        offset = tf.cast(norm.beta, tf.float32) if norm.center else tf.zeros([channels])
        if _COMPILED.get():
            outputs, mean, variance = _by_xla(inputs, scale, offset, norm.epsilon, activation)
        else:
            outputs, mean, variance = _by_operation(inputs, scale, offset, norm.epsilon)
            outputs = activation(outputs)
        for running, of_batch in ((norm.moving_mean, mean), (norm.moving_variance, variance)):
            running.assign(running * norm.momentum + of_batch * (1 - norm.momentum))
        return outputs

    norm.call = call


def _by_operation(
    x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Normalise by TensorFlow's fused operation; also return the batch's mean and variance, float32 [C]."""
    none = tf.zeros([0])
    outputs, mean, corrected, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=scale, offset=offset, mean=none, variance=none, epsilon=epsilon, is_training=True
    )
    count = _positions(x)
    return outputs, mean, corrected * (count - 1) / count


def _positions(x: Any) -> tf.Tensor:
    """The number of positions over the batch; that of all numbers may exceed int32."""
    return tf.cast(tf.reduce_prod(tf.shape(x, tf.int64)[:-1]), tf.float32)


def _by_xla(
    x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, epsilon: float, activation: _Activation
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Normalise and activate by XLA; also return the batch's mean and variance, float32 [C].

    For the gradients, only x is kept, and the rest computed again.
    """

    def normalised(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> Any:
        outputs, mean, variance = _forward(x, scale, offset, epsilon, activation)

        def gradients(of_outputs: tf.Tensor, *_: tf.Tensor) -> Any:
            return _backward(x, of_outputs, mean, variance, scale, offset, epsilon, activation)

        return (outputs, mean, variance), gradients

    return _differentiated(normalised)(x, scale, offset)


@_Kernel
def _forward(x: Any, scale: Any, offset: Any, epsilon: float, activation: _Activation) -> Any:
    numbers = tf.cast(x, tf.float32)
    # One pass gives both moments: the difference of squares is accurate if a channel's numbers are small compared with
    # their spread, so one of them is subtracted from all.
    some = numbers[:1, :1, :1]
    first, second = (tf.reduce_mean(power, [0, 1, 2]) for power in (numbers - some, tf.square(numbers - some)))
    mean, variance = some[0, 0, 0] + first, tf.maximum(second - tf.square(first), 0.0)
    outputs = activation((numbers - mean) * (scale * tf.math.rsqrt(variance + epsilon)) + offset)
    return tf.cast(outputs, x.dtype), mean, variance


@_Kernel
def _backward(
    x: Any, of_outputs: Any, mean: Any, variance: Any, scale: Any, offset: Any, epsilon: float, activation: _Activation
) -> Any:
    """Gradients of x, scale and offset (Ioffe and Szegedy, arXiv:1502.03167, section 3)."""
    inverse = tf.math.rsqrt(variance + epsilon)
    unit = (tf.cast(x, tf.float32) - mean) * inverse
    with tf.GradientTape() as tape:
        normalised = unit * scale + offset
        tape.watch(normalised)
        outputs = activation(normalised)
    gradient = tape.gradient(outputs, normalised, output_gradients=tf.cast(of_outputs, tf.float32))
    of_offset, of_scale = tf.reduce_sum(gradient, [0, 1, 2]), tf.reduce_sum(gradient * unit, [0, 1, 2])
    count = _positions(x)
    of_x = scale * inverse * (gradient - (of_offset + unit * of_scale) / count)
    return tf.cast(of_x, x.dtype), of_scale, of_offset


def _biased(convolution: Any) -> None:
    def biased(x: tf.Tensor, bias: tf.Tensor) -> Any:
        return _plus(x, bias), lambda gradient: (gradient, tf.cast(_position_sum(gradient), bias.dtype))

    composed = convolution.call

    def call(inputs: tf.Tensor) -> tf.Tensor:
        if not _COMPILED.get():
            return composed(inputs)
        outputs = convolution.convolution_op(inputs, convolution.kernel)
        outputs = _differentiated(biased)(outputs, tf.convert_to_tensor(convolution.bias))
        return outputs if convolution.activation is None else convolution.activation(outputs)

    convolution.call = call


@_Kernel
def _plus(x: Any, bias: Any) -> Any:
    return x + tf.cast(bias, x.dtype)


@_Kernel
def _position_sum(gradient: Any) -> Any:
    return tf.reduce_sum(tf.cast(gradient, tf.float32), [0, 1, 2])


def _added(layer: Any) -> None:
    def added(*inputs: tf.Tensor) -> Any:
        return _sum(*inputs), lambda gradient: [gradient] * len(inputs)

    composed = layer.call
    layer.call = lambda inputs: _differentiated(added)(*inputs) if _COMPILED.get() else composed(inputs)


@_Kernel
def _sum(*inputs: Any) -> Any:
    return sum(inputs[1:], inputs[0])


def _concatenated(layer: Any) -> None:
    def concatenated(*inputs: tf.Tensor) -> Any:
        sizes = tuple(part.shape[layer.axis] for part in inputs)
        return _concat(layer.axis, *inputs), lambda gradient: _split(gradient, layer.axis, sizes)

    composed = layer.call
    layer.call = lambda inputs: _differentiated(concatenated)(*inputs) if _COMPILED.get() else composed(inputs)


@_Kernel
def _concat(axis: int, *inputs: Any) -> Any:
    return tf.concat(inputs, axis)


@_Kernel
def _split(gradient: Any, axis: int, sizes: tuple[int, ...]) -> Any:
    return tf.split(gradient, sizes, axis)
