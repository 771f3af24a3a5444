"""Tell the user what fits if a device's memory is too small for a step."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

from glr.errors import GlrError, is_out_of_memory
from glr.model.fusion import is_fused
from glr.model.network import RetrievalModel

_KEEPS_NOTHING = (keras.layers.InputLayer, keras.layers.Add, keras.layers.Concatenate, keras.layers.ZeroPadding2D)
_WORKSPACE = 1.1  # convolutions' room, relative to the activations
_BYTES_PER_WEIGHT = 16  # the weight, its gradient and Adam's two moments, in float32


@contextmanager
def shortage_explained(model: RetrievalModel, batch_size: int, strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Name the setting and a batch that may fit if a step runs out of memory.

    Args:
        model: the model that is trained.
        batch_size: images per step over all replicas.
        strategy: the devices that share a batch.

    Raises:
        GlrError: a device's memory is too small for the step.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        if not is_out_of_memory(error):
            raise
        device, replicas = strategy.extended.worker_devices[0], strategy.num_replicas_in_sync
        hint = "give a smaller one, or train.precision=mixed_bfloat16"
        if "GPU" in device:
            room = tf.config.experimental.get_memory_info(device)["peak"]
            fits = min(largest_batch(model, room), batch_size // replicas - 1) * replicas
            hint = f"some {fits} may fit" if fits else "not even one image fits: give a smaller data.image_size"
        raise GlrError(
            f"train.batch_size={batch_size} at data.image_size={model.image_size} needs more memory than "
            f"{device.rpartition('/device:')[2]} has; {hint}"
        ) from error


def largest_batch(model: RetrievalModel, room: float) -> int:
    """Estimate the largest batch for which a training step's weights and activations fit into `room` bytes."""
    weights = sum(math.prod(weight.shape) for weight in model.weights) * _BYTES_PER_WEIGHT
    return max(0, int((room - weights) / activations(model.network)))


def activations(network: keras.Model) -> int:
    """Estimate the bytes that a training step needs for each image: mostly the layers' inputs, kept for gradients.

    On a GPU with 64 images of 441 pixels in bfloat16, the estimate was 1% below the peak for ResNet101V2, and 2% above
    it for Xception.
    """
    kept: dict[int, int] = {}
    for layer in network.layers:
        if isinstance(layer, _KEEPS_NOTHING) or is_fused(layer):
            continue
        size = tf.as_dtype(layer.compute_dtype).size
        for tensor in tf.nest.flatten(layer.input):
            kept[id(tensor)] = math.prod(tensor.shape[1:]) * size
        if isinstance(layer, keras.layers.SeparableConv2D):  # between its two convolutions
            kept[id(layer)] = math.prod(layer.output.shape[1:3]) * layer.input.shape[-1] * layer.depth_multiplier * size
    return int(_WORKSPACE * sum(kept.values()))
