"""A tiny network and its batches, for steps on several replicas."""

import keras
import numpy as np

BATCH, CLASSES, SIDE, STEPS = 16, 5, 8, 3


def batches(broken: int | None) -> list[tuple[np.ndarray, ...]]:
    """Return the batch of every step: noisy images of random classes, so that the replicas' shares differ."""
    random = np.random.default_rng(1)
    patterns = random.normal(128, 40, (CLASSES, SIDE, SIDE, 3))
    taken = []
    for step in range(STEPS + 1):
        labels = random.integers(CLASSES, size=BATCH).astype(np.int32)
        spread = random.uniform(5, 60, (BATCH, 1, 1, 1))
        images = patterns[labels] + spread * random.normal(size=(BATCH, SIDE, SIDE, 3))
        colours = np.tile(np.eye(3, 4, dtype=np.float32), (BATCH, 1, 1))
        if step == broken:
            colours[-1] = np.inf
        taken.append((np.clip(images, 0, 255).astype(np.uint8), labels, colours))
    return taken


def network() -> keras.Model:
    images = keras.Input((SIDE, SIDE, 3))
    maps = keras.layers.Conv2D(6, 3, 2, "same", name="conv")(images)
    for block in range(2):  # named as ConvNeXt's, which glr.model.drop_path knows
        maps += keras.layers.Activation("linear", name=f"stage_0_block_{block}_identity")(maps)
    return keras.Model(images, maps, name="tiny")
