"""Describe images with LiteRT's interpreter: `python litert.py MODEL.tflite IMAGES.npz OUT.npy`."""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def main(model: str, images: str, out: str) -> None:
    """Write a descriptor for each image of an npz file that holds uint8 [n, S, S, 3] for each input."""
    describe = Interpreter(model_path=model).get_signature_runner()
    with np.load(images) as arrays:
        inputs = dict(arrays)
    count = len(next(iter(inputs.values())))
    single = ({name: values[row : row + 1] for name, values in inputs.items()} for row in range(count))
    np.save(out, np.concatenate([describe(**each)["global_descriptor"] for each in single]))


if __name__ == "__main__":
    main(*sys.argv[1:])
