"""Devices: TensorFlow's start, distribution strategies, TPUs, and several workers that train one run."""
