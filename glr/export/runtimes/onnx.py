"""Describe images of any size with ONNX Runtime: `python onnx.py MODEL.onnx IMAGES.npz OUT.npy`."""

import sys

import numpy as np
import onnxruntime


def main(model: str, images: str, out: str) -> None:
    """Write a descriptor for each image of an npz file."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    with np.load(images) as arrays:
        described = [np.asarray(session.run(None, {"input_images": arrays[name][np.newaxis]})[0]) for name in arrays]
    np.save(out, np.concatenate(described))


if __name__ == "__main__":
    main(*sys.argv[1:])
