"""Describe images of any size with a SavedModel: `python saved_model.py FOLDER IMAGES.npz OUT.npy`."""

import sys

import numpy as np

# Keras and TensorFlow Lite import these if they are installed, which takes seconds and is not needed.
sys.modules.update({name: None for name in ("jax", "sklearn") if name not in sys.modules})  # type: ignore[misc]

import tensorflow as tf  # noqa: E402


def main(folder: str, images: str, out: str) -> None:
    """Write a descriptor for each image of an npz file."""
    model = tf.saved_model.load(folder)
    describe = model.signatures["serving_default"]  # pyright: ignore[reportIndexIssue]
    with np.load(images) as arrays:
        described = [describe(input_image=tf.constant(arrays[name]))["global_descriptor"].numpy() for name in arrays]
    np.save(out, np.stack(described))


if __name__ == "__main__":
    main(*sys.argv[1:])
