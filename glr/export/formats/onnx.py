"""ONNX, for ONNX Runtime: the SavedModel's signature `batched`, which takes images of any size."""

import logging
from collections.abc import Sequence
from pathlib import Path

from glr.export.formats.format import FileFormat
from glr.export.model import ExportedModel
from glr.model.network import RetrievalModel
from glr.model.saved_model import OUTPUT

_OPSET = 18  # the newest that tf2onnx 1.17 writes; ONNX Runtime has it since 1.14


class Onnx(FileFormat):
    """A file that maps `input_images` uint8 [images, height, width, 3] to `global_descriptor` float32 [images, D]."""

    name = "onnx"
    file = "model.onnx"
    runtime = "ONNX Runtime"
    script = "onnx.py"
    extra = "onnx"
    packages = ("tf2onnx", "onnx", "onnxruntime")
    any_size = True

    def convert(self, members: Sequence[RetrievalModel], weights: Sequence[float], file: Path) -> None:
        """See `FileFormat`."""
        import onnx
        import tf2onnx

        logging.getLogger("tf2onnx").setLevel(logging.ERROR)  # it reports each step
        batched = ExportedModel(members, weights).batched
        model, _ = tf2onnx.convert.from_function(batched, input_signature=batched.input_signature, opset=_OPSET)
        for tensor, names in (
            (model.graph.input[0], ("images", "height", "width")),
            (model.graph.output[0], ("images",)),
        ):
            for dimension, name in zip(tensor.type.tensor_type.shape.dim, names, strict=False):
                dimension.dim_param = name
        assert [tensor.name for tensor in model.graph.output] == [OUTPUT]
        onnx.save(model, file)
