"""Devices: TensorFlow's start, distribution strategies, TPUs, and several workers in one training."""
