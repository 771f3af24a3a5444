"""The code that serves a registered model: MLflow copies this file into the model and runs it where the model is
loaded, so it imports nothing from glr, and nothing in glr imports it.
"""

from typing import Any

import tensorflow as tf
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class Descriptors(PythonModel):
    """Maps uint8 [images, height, width, 3] to descriptors float32 [images, D]."""

    def load_context(self, context: Any) -> None:
        """Load the SavedModel."""
        self._model: Any = tf.saved_model.load(context.artifacts["saved_model"])

    # Without types, which MLflow would read as a signature.
    def predict(self, context, model_input, params=None):  # noqa: ARG002  # pyright: ignore[reportMissingParameterType]
        """Return the images' descriptors."""
        describe = self._model.signatures["batched"]
        return describe(input_images=tf.constant(model_input, tf.uint8))["global_descriptor"].numpy()


set_model(Descriptors())
