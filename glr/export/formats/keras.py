"""Keras's own format: standard layers only, so that `keras.saving.load_model` loads it in safe mode, without glr."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from glr.errors import GlrError
from glr.export.formats.format import FileFormat, input_sizes
from glr.export.model import shares
from glr.model.network import SCALES, RetrievalModel
from glr.model.pooling import GeM


class KerasFile(FileFormat):
    """A file that maps uint8 [images, S, S, 3] to descriptors float32 [images, D]; see `input_sizes`."""

    name = "keras"
    file = "model.keras"
    runtime = "Keras"
    script = "keras.py"

    def convert(self, members: Sequence[RetrievalModel], weights: Sequence[float], file: Path) -> None:
        """See `FileFormat`."""
        names = input_sizes([member.image_size for member in members])
        inputs = {size: keras.Input([size, size, 3], dtype="uint8", name=name) for name, size in names.items()}
        parts = []
        for number, (member, share) in enumerate(zip(members, shares(weights), strict=True), start=1):
            offset, scale = SCALES[member.normalization]
            normalised = keras.layers.Normalization(mean=offset, variance=[side**2 for side in scale], dtype="float32")
            network = plain(member.network)
            network.name = f"member_{number}"
            described = keras.layers.UnitNormalization(axis=1)(network(normalised(inputs[member.image_size])))
            parts.append(keras.layers.Rescaling(share)(described))
        joint = keras.layers.Concatenate(axis=1)(parts) if len(parts) > 1 else parts[0]
        keras.Model(list(inputs.values()), joint, name="retrieval_model").save(file)


def plain(network: keras.Model) -> keras.Model:
    """Copy a network, with Keras's own layers only and without the fusions of `glr.model.fusion`.

    Raises:
        GlrError: a layer is neither Keras's nor GeM.
    """

    def copied(layer: keras.layers.Layer) -> keras.layers.Layer:
        if type(layer) is GeM:  # a subclass may compute something else
            return _gem(layer)
        if not type(layer).__module__.startswith("keras."):
            raise GlrError(
                f"format=keras: {type(layer).__name__} is not a layer of Keras, so a file with it would need its code; "
                "give another format"
            )
        return type(layer).from_config(layer.get_config())

    copy = keras.models.clone_model(network, clone_function=copied)
    for layer in network.layers:
        if layer.weights and type(layer) is not GeM:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy


def _gem(layer: GeM) -> keras.Model:
    """GeM of a trained p in Keras's operations; see `GeM.call`."""
    height, width, _ = layer.input.shape[1:]
    power = float(layer.p)
    features: Any = keras.Input(layer.input.shape[1:])
    logs: Any = keras.ops.log(keras.ops.maximum(features, layer.floor))
    sums: Any = keras.ops.logsumexp(power * logs, axis=(1, 2))
    means = sums - math.log(height * width)
    return keras.Model(features, keras.ops.exp(means / power), name=layer.name)
