"""LiteRT (TensorFlow Lite), for phones and small devices: it cannot resize as training does, so sizes are fixed."""

import re
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from glr.export.formats.format import FileFormat, input_sizes
from glr.export.model import shares
from glr.model.network import RetrievalModel
from glr.model.saved_model import OUTPUT


class Litert(FileFormat):
    """A file that maps uint8 [images, S, S, 3] to `global_descriptor` float32 [images, D]; see `input_sizes`."""

    name = "litert"
    file = "model.tflite"
    runtime = "LiteRT"
    script = "litert.py"
    extra = "litert"
    packages = ("ai_edge_litert",)

    def convert(self, members: Sequence[RetrievalModel], weights: Sequence[float], file: Path) -> None:
        """See `FileFormat`."""
        sizes = input_sizes([member.image_size for member in members])
        names = {size: name for name, size in sizes.items()}

        def describe(*images: tf.Tensor) -> dict[str, tf.Tensor]:
            inputs = dict(zip(sizes, images, strict=True))
            parts = [
                share * member.describe(inputs[names[member.image_size]])
                for member, share in zip(members, shares(weights), strict=True)
            ]
            # In float16 the shares are rounded: make the length 1 again.
            return {OUTPUT: tf.math.l2_normalize(tf.concat(parts, axis=1), axis=1)}

        specs = [tf.TensorSpec([None, size, size, 3], tf.uint8, name) for name, size in sizes.items()]
        traced = tf.function(describe).get_concrete_function(*specs)
        variables = tf.Module()
        variables.weights = [weight.value for member in members for weight in member.network.weights]
        converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], variables)
        if self.float16:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        file.write_bytes(converter.convert())

    def reason(self, error: Exception) -> str:
        """Name the operations that LiteRT does not have."""
        operations = sorted(set(re.findall(r"'tf\.(\w+)' op is neither a custom op nor a flex op", str(error))))
        return f"LiteRT has no operation {', '.join(operations)}" if operations else super().reason(error)
