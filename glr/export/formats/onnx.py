"""ONNX, for ONNX Runtime: the SavedModel's signature `batched`, which takes images of any size."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

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
        model, _ = tf2onnx.convert.from_function(
            batched,
            input_signature=batched.input_signature,
            opset=_OPSET,
            custom_op_handlers={"Erfc": (_complement_of_erf, [])},
        )
        _keep_constants(model.graph, batched.get_concrete_function().graph.captures)
        for tensor, names in (
            (model.graph.input[0], ("images", "height", "width")),
            (model.graph.output[0], ("images",)),
        ):
            for dimension, name in zip(tensor.type.tensor_type.shape.dim, names, strict=False):
                dimension.dim_param = name
        assert [tensor.name for tensor in model.graph.output] == [OUTPUT]
        onnx.save(model, file)


def _keep_constants(graph: Any, captures: list[tuple[Any, Any]]) -> None:
    """Store the constants of a network, such as the numbers of positions, which tf2onnx makes inputs of the graph.

    Args:
        graph: of the ONNX model.
        captures: tensors from outside the TensorFlow graph, and their names inside.
    """
    from onnx import numpy_helper

    constants = {inside.name: outside for outside, inside in captures if outside.dtype != tf.resource}
    graph.initializer.extend(numpy_helper.from_array(value.numpy(), name) for name, value in constants.items())
    for given in [given for given in graph.input if given.name in constants]:
        graph.input.remove(given)


def _complement_of_erf(graph: Any, node: Any, name: str, _: object) -> None:
    """Write TensorFlow's Erfc, a part of GELU, as 1 - Erf: ONNX has no Erfc, and tf2onnx 1.17 does not replace it."""
    shapes, dtypes = node.output_shapes, node.output_dtypes
    graph.remove_node(name)
    erf = graph.make_node("Erf", node.input, shapes=shapes, dtypes=dtypes)
    one = graph.make_const(f"{name}/one", np.ones((), np.float32))
    graph.make_node("Sub", [one.output[0], *erf.output], name=name, outputs=node.output, shapes=shapes, dtypes=dtypes)
