"""Models in .keras files that describe images."""

import json
import math
import zipfile
from pathlib import Path
from typing import Any, cast

import keras
import tensorflow as tf

from glr.errors import GlrError, first_line

# Parts of Keras's messages on a Lambda or a SavedModel in the file, and on a class that is not Keras's.
_CODE_NEEDED = ("safe_mode=False", "Could not locate")


def read_keras(file: Path, gigabytes: float) -> keras.Model:
    """Read a model that maps uint8 images [B, S, S, 3] to descriptors [B, D].

    Keras's safe mode builds only Keras's own layers, and no code that is stored in the file.

    Args:
        file: a .keras file.
        gigabytes: the size limit of its contents, and so of its weights, which must be stored in it.

    Raises:
        GlrError: the file is missing, damaged or too large, declares more weights than it stores, needs code of its
            own, or has other inputs or outputs.
    """
    if not file.is_file():
        raise GlrError(f"model={file}: no such file")
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(member.file_size for member in archive.infolist())
            if size > gigabytes * 1e9:
                raise GlrError(f"model={file} holds {size / 1e9:,.1f} GB; max_model_gb={gigabytes:g} is the limit")
            weights = _declared(json.loads(archive.read("config.json")))
        if weights > size:
            raise GlrError(
                f"model={file} declares weights of {weights / 1e6:,.1f} MB, but holds {size / 1e6:,.1f} MB; save the "
                "model again"
            )
        model = keras.saving.load_model(file, compile=False, safe_mode=True)
    except GlrError:
        raise
    except Exception as error:  # Keras may raise anything on a file of another kind
        if any(said in str(error) for said in _CODE_NEEDED):
            raise GlrError(
                f"{file} needs code of its own, which glr does not run; export it as a SavedModel"
            ) from error
        raise GlrError(f"{file} cannot be loaded in Keras's safe mode ({first_line(error)})") from error
    inputs, outputs = getattr(model, "input_shape", ()), getattr(model, "output_shape", ())
    match inputs, outputs:
        case (_, int(height), int(width), 3), (_, int()) if height == width:
            return cast(keras.Model, model)
        case _:
            pass
    raise GlrError(f"{file} maps {inputs} to {outputs}; expected square images [None, S, S, 3] to vectors [None, D]")


def _declared(config: dict[str, Any]) -> int:
    """Return the bytes of the weights that a model's config declares; a graph holds them without their memory."""
    with tf.Graph().as_default():
        model: Any = keras.saving.deserialize_keras_object(config | {"compile_config": None}, safe_mode=True)
    return sum(math.prod(weight.shape) * tf.as_dtype(weight.dtype).size for weight in model.weights)


class KerasDescriber:
    """Describes images with the model of a .keras file, which normalises their pixels itself."""

    def __init__(self, model: keras.Model):
        self._model = model

    def describe(self, images: tf.Tensor) -> tf.Tensor:
        """Descriptors of images [B, S, S, 3], 0 to 255: float32 [B, D], of length 1."""
        return tf.math.l2_normalize(tf.cast(self._model(images, training=False), tf.float32), axis=1)
