"""Postprocessing at evaluation time: views of an image, whitening, expansion, re-ranking."""
