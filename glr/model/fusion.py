"""Make layers pass over their activations less often: memory traffic takes most of a step's time on a GPU.

The layers keep their mathematics, their weights and their names.
"""

from collections import Counter
from typing import Any

import keras
import tensorflow as tf

from glr.devices.keras_internals import calls
from glr.model.kernels import Activation, added, biased, concatenated, is_compiled, normalised, positions

_PIXELWISE = [getattr(keras.activations, name) for name in ("relu", "relu6", "silu", "hard_silu", "gelu")]


def fuse(network: keras.Model) -> None:
    """Change a network's layers in place.

    - BatchNorm of training batches [B, h, w, C] becomes TensorFlow's fused operation. Keras builds it from a dozen
      operations, and each of them reads or writes all activations in float32.
    - Zeros that are added around the input of a convolution become the convolution's padding.
    - A maximum over 1 x 1 positions becomes a slice.

    In `glr.model.kernels.compiled()`, BatchNorm with the activation after it, biases, sums and concatenations use
    kernels of XLA.
    """
    readers = _only_readers(network)
    for layer in network.layers:
        only: Any = readers.get(layer)
        if type(layer) is keras.layers.BatchNormalization:
            activation = _pixelwise(only)
            _normalising(layer, activation)
            if activation is not None:
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


def _only_readers(network: keras.Model) -> dict[Any, Any]:
    """Map each layer to the only layer that reads its outputs, if there is one and both are called once."""
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
    """The known elementwise function that a layer applies; None: the layer does something else."""
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

    TensorFlow has no uneven padding on GPUs. On CPUs it has no gradients of grouped or dilated convolutions, except
    those that Keras compiles.
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


def _normalising(norm: Any, activation: Activation | None) -> None:
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
        if is_compiled():
            outputs, mean, variance = normalised(inputs, scale, offset, norm.epsilon, activation)
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
    count = positions(x)
    return outputs, mean, corrected * (count - 1) / count


def _biased(convolution: Any) -> None:
    composed = convolution.call

    def call(inputs: tf.Tensor) -> tf.Tensor:
        if not is_compiled():
            return composed(inputs)
        outputs = convolution.convolution_op(inputs, convolution.kernel)
        outputs = biased(outputs, tf.convert_to_tensor(convolution.bias))
        return outputs if convolution.activation is None else convolution.activation(outputs)

    convolution.call = call


def _added(layer: Any) -> None:
    composed = layer.call
    layer.call = lambda inputs: added(inputs) if is_compiled() else composed(inputs)


def _concatenated(layer: Any) -> None:
    composed = layer.call
    layer.call = lambda inputs: concatenated(inputs, layer.axis) if is_compiled() else composed(inputs)
