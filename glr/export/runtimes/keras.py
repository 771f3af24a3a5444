"""Describe images with a Keras file, loaded in safe mode: `python keras.py MODEL.keras IMAGES.npz OUT.npy`."""

import sys
from typing import Any

import numpy as np

# Keras and TensorFlow Lite import these if they are installed, which takes seconds and is not needed.
sys.modules.update({name: None for name in ("jax", "sklearn") if name not in sys.modules})  # type: ignore[misc]

import keras  # noqa: E402


def main(file: str, images: str, out: str) -> None:
    """Write a descriptor for each image of an npz file that holds uint8 [n, S, S, 3] for each input."""
    model: Any = keras.saving.load_model(file, compile=False, safe_mode=True)
    with np.load(images) as arrays:
        inputs = [arrays[tensor.name] for tensor in model.inputs]
    np.save(out, model.predict(inputs if len(inputs) > 1 else inputs[0], batch_size=16, verbose=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
