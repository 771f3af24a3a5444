"""Extraction compared with the bare model: images per second on images that are already decoded.

python tests/benchmarks/extraction.py [backbone]
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from glr.config.check import composed
from glr.config.resolvers import setup
from glr.data.pictures import Picture, batches
from glr.model.loading import build_model
from glr.retrieval.extraction import Extractor, extract

SIZE, BATCH, BATCHES = 224, 32, 12


class Decoded:
    """The same random images again and again, in memory."""

    def __init__(self):
        self._images = np.random.default_rng(0).integers(0, 256, (BATCH, SIZE, SIZE, 3), np.uint8)

    def __len__(self) -> int:
        return BATCH * BATCHES - 5  # the last batch is not full

    def reader(self, readers: ThreadPoolExecutor, window: int) -> Callable[[int, int], Sequence[Any]]:  # noqa: ARG002
        """See `glr.data.pictures.Pictures`."""
        return lambda first, count: [
            nullcontext(Picture(str(number), -1, self._images[number % BATCH]))
            for number in range(first, first + count)
        ]


def main(backbone: str) -> None:
    """Time both ways in turn, four times, and print the best of each, without extraction's first, which compiles."""
    setup()
    config, _ = composed("train", [f"backbone={backbone}", "backbone.weights=null", f"data.image_size={SIZE}"])
    model = build_model(config, 10, SIZE)
    extractor = Extractor(model, tf.distribute.get_strategy(), BATCH)
    describe = tf.function(model.describe)
    pictures = Decoded()
    _, first = next(batches(pictures, image_size=SIZE, batch_size=BATCH, parallelism=1))
    images = tf.constant(first)
    describe(images)
    bare, whole = [], []
    for _ in range(4):
        began = time.perf_counter()
        for _ in range(BATCHES):
            describe(images).numpy()
        bare.append(BATCH * BATCHES / (time.perf_counter() - began))
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            extract(extractor, pictures, Path(folder), "index", parallelism=1)
            whole.append(len(pictures) / (time.perf_counter() - began))
    print(f"{backbone} at {SIZE} px: bare model {max(bare):.1f} images/s, extraction {max(whole[1:]):.1f}", end=" ")
    print(f"({max(whole[1:]) / max(bare):.1%})")


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["mobilenet_v3_small"]))
