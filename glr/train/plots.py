"""Pictures that a run stores: the learning rate over time, and train images as the network sees them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, SupportsFloat

import cv2
import numpy as np
import simplejpeg
import tensorflow as tf
from matplotlib.figure import Figure

from glr.data.geometry import FAST_DCT, Warp, letterbox
from glr.data.prepared import PreparedData
from glr.data.randomness import uniforms
from glr.model.network import SCALES, recoloured


def plot_schedule(schedule: Callable[[int], SupportsFloat], steps_per_epoch: int, epochs: int, file: Path) -> None:
    """Draw the learning rate against the epoch as a PNG."""
    steps = np.unique(np.linspace(0, epochs * steps_per_epoch - 1, 1000).astype(int))
    rates = [float(schedule(int(step))) for step in steps]
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(steps / steps_per_epoch, rates, drawstyle="steps-post")
    axes.set(xlabel="epoch", ylabel="learning rate", ylim=(0, None), xlim=(0, epochs))
    axes.grid(alpha=0.3)
    figure.savefig(file, dpi=120)


def plot_augmentation(
    data: PreparedData, augment: Any, *, image_size: int, normalization: str, seed: int, file: Path
) -> None:
    """Draw some train images as a PNG: the original on the left, then augmented variants."""
    images, variants = 8, 7
    shard = data.shards["train"][0]
    records = data.read_block(shard, 0)[:images]
    offset, scale = (np.array(values, np.float32) for values in SCALES[normalization])
    warp, frame = Warp(image_size), np.empty((image_size, image_size, 3), np.uint8)
    rows = []
    for number, (_, record) in enumerate(records):
        encoded = data.image(shard, 0, number, record).encoded
        letterbox(simplejpeg.decode_jpeg(encoded, fastdct=FAST_DCT), frame)
        row = [frame.copy()]
        changes = augment.changes(uniforms(seed, 0, number * variants, variants, augment.draws))
        for geometry, colour in zip(*changes, strict=True):
            warp(encoded, geometry, frame)
            seen = recoloured(tf.constant(frame[np.newaxis]), tf.constant(colour[np.newaxis]), normalization)[0].numpy()
            row.append(np.clip(seen * scale + offset, 0, 255).astype(np.uint8))
        rows.append(np.pad(np.concatenate(row, axis=1), ((0, 4), (0, 0), (0, 0)), constant_values=255))
    sheet = np.concatenate(rows)
    smaller = min(1.0, 1600 / sheet.shape[1])
    sheet = cv2.resize(sheet, None, fx=smaller, fy=smaller, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(file), sheet[..., ::-1])
