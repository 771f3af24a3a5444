"""Kernels for training on GPUs, compiled by XLA: TensorFlow's own bfloat16 kernels read and write one number at a time.

A kernel is compiled once for each shape. BatchNorm has two kernels, one for the outputs and one for the gradients.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from threading import Lock
from typing import Any

import tensorflow as tf

Activation = Callable[[Any], Any]
_differentiated: Any = tf.custom_gradient  # of a function that returns its outputs and the function of its gradients
_COMPILED = ContextVar("compiled", default=False)


def is_compiled() -> bool:
    """Return True in the context `compiled`."""
    return _COMPILED.get()


@contextmanager
def compiled(enabled: bool) -> Iterator[None]:
    """If `enabled`, the layers that `glr.model.fusion` has changed use these kernels in this context."""
    token = _COMPILED.set(enabled)
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
    """A function that calls a kernel as a step does: TensorFlow would compile a direct call separately."""
    specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in kernel.inputs]
    call: Any = tf.function(lambda *tensors: kernel(*tensors), autograph=False)
    return call.get_concrete_function(*specs)


def _is_complete(kernel: Any) -> bool:
    return all(tensor.shape.is_fully_defined() for tensor in kernel.inputs)


def _first_call(call: Any, inputs: Sequence[Any], device: str) -> None:
    with suppress(tf.errors.OpError), tf.device(device):  # after an error, the first step compiles the kernel
        # On a GPU, zeros that several threads made at once had the shape of another thread's zeros.
        with _ONE_AT_A_TIME:
            zeros = [tf.zeros(tensor.shape, tensor.dtype) for tensor in inputs]
        call(*zeros)


def positions(x: Any) -> tf.Tensor:
    """The number of positions over the batch, float32; times the channels it may exceed int32."""
    return tf.cast(tf.reduce_prod(tf.shape(x, tf.int64)[:-1]), tf.float32)


def normalised(
    x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, epsilon: float, activation: Activation
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Normalise and activate by XLA; also return the batch's mean and variance, float32 [C].

    Only x is kept for the gradients, which compute the other values again.
    """

    def with_gradients(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> Any:
        outputs, mean, variance = _forward(x, scale, offset, epsilon, activation)

        def gradients(of_outputs: tf.Tensor, *_: tf.Tensor) -> Any:
            return _backward(x, of_outputs, mean, variance, scale, offset, epsilon, activation)

        return (outputs, mean, variance), gradients

    return _differentiated(with_gradients)(x, scale, offset)


@_Kernel
def _forward(x: Any, scale: Any, offset: Any, epsilon: float, activation: Activation) -> Any:
    numbers = tf.cast(x, tf.float32)
    # One pass gives both moments. The difference of squares is accurate only if a channel's mean is small compared with
    # its spread, so one of the channel's numbers is first subtracted from all of them.
    some = numbers[:1, :1, :1]
    first, second = (tf.reduce_mean(power, [0, 1, 2]) for power in (numbers - some, tf.square(numbers - some)))
    mean, variance = some[0, 0, 0] + first, tf.maximum(second - tf.square(first), 0.0)
    outputs = activation((numbers - mean) * (scale * tf.math.rsqrt(variance + epsilon)) + offset)
    return tf.cast(outputs, x.dtype), mean, variance


@_Kernel
def _backward(
    x: Any, of_outputs: Any, mean: Any, variance: Any, scale: Any, offset: Any, epsilon: float, activation: Activation
) -> Any:
    """Gradients of x, scale and offset (Ioffe and Szegedy, arXiv:1502.03167, section 3)."""
    inverse = tf.math.rsqrt(variance + epsilon)
    unit = (tf.cast(x, tf.float32) - mean) * inverse
    with tf.GradientTape() as tape:
        before = unit * scale + offset
        tape.watch(before)
        outputs = activation(before)
    gradient = tape.gradient(outputs, before, output_gradients=tf.cast(of_outputs, tf.float32))
    of_offset, of_scale = tf.reduce_sum(gradient, [0, 1, 2]), tf.reduce_sum(gradient * unit, [0, 1, 2])
    count = positions(x)
    of_x = scale * inverse * (gradient - (of_offset + unit * of_scale) / count)
    return tf.cast(of_x, x.dtype), of_scale, of_offset


def biased(x: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Add a bias [C] to [B, h, w, C]."""

    def with_gradients(x: tf.Tensor, bias: tf.Tensor) -> Any:
        return _plus(x, bias), lambda gradient: (gradient, tf.cast(_position_sum(gradient), bias.dtype))

    return _differentiated(with_gradients)(x, bias)


@_Kernel
def _plus(x: Any, bias: Any) -> Any:
    return x + tf.cast(bias, x.dtype)


@_Kernel
def _position_sum(gradient: Any) -> Any:
    return tf.reduce_sum(tf.cast(gradient, tf.float32), [0, 1, 2])


def added(parts: Sequence[tf.Tensor]) -> tf.Tensor:
    """Add tensors of one shape."""

    def with_gradients(*parts: tf.Tensor) -> Any:
        return _sum(*parts), lambda gradient: [gradient] * len(parts)

    return _differentiated(with_gradients)(*parts)


@_Kernel
def _sum(*inputs: Any) -> Any:
    return sum(inputs[1:], inputs[0])


def concatenated(parts: Sequence[tf.Tensor], axis: int) -> tf.Tensor:
    """Concatenate tensors along an axis."""

    def with_gradients(*parts: tf.Tensor) -> Any:
        sizes = tuple(part.shape[axis] for part in parts)
        return _concat(axis, *parts), lambda gradient: _split(gradient, axis, sizes)

    return _differentiated(with_gradients)(*parts)


@_Kernel
def _concat(axis: int, *inputs: Any) -> Any:
    return tf.concat(inputs, axis)


@_Kernel
def _split(gradient: Any, axis: int, sizes: tuple[int, ...]) -> Any:
    return tf.split(gradient, sizes, axis)
