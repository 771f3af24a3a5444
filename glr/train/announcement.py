"""Describes a run before it trains: sizes, device, learning rate and train images."""

import os
import sys
from pathlib import Path

import tensorflow as tf
from omegaconf import DictConfig

from glr.config.printing import counted, say
from glr.data.augment import Unchanged
from glr.data.prepared import PreparedData
from glr.model.head.pairs import PairHead
from glr.retrieval.sets import EvaluationSet
from glr.tracking.recorder import Recorder
from glr.train.assembly import Assembly
from glr.train.plots import plot_augmentation, plot_schedule


def describe(config: DictConfig, data: PreparedData, scored: EvaluationSet, parts: Assembly, run: Recorder) -> None:
    """Record and print the sizes and the device of the run; `scored` is its evaluation set."""
    images, total, steps = parts.pipeline.images, parts.model.count_params(), parts.pipeline.steps_per_epoch
    run.tags({"device": _device(parts.strategy), "replicas": parts.strategy.num_replicas_in_sync})
    run.params({"parameters": total, "trainable_parameters": parts.trainable, "classes": data.classes})
    run.params({"train_images": images, "steps_per_epoch": steps})
    if parts.model.origin:
        print(f"init_from: {parts.model.origin}")
        run.tags({"init_from_parts": parts.model.origin})
    print(
        f"{images:,} train images of {data.classes:,} classes, {len(scored.index):,} index images, "
        f"{len(scored.query):,} queries\n"
        f"{total:,} parameters, {parts.trainable:,} of them trained, on {_device(parts.strategy)}\n"
        f"{counted(config.train.epochs, 'epoch')} of {counted(steps, 'step')} of {config.train.batch_size} images"
    )
    _describe_batches(config, data, parts)


def _describe_batches(config: DictConfig, data: PreparedData, parts: Assembly) -> None:
    """Print the classes of balanced batches; warn if a head over pairs hardly finds a pair of a class in a batch."""
    batch, each, balanced = config.train.batch_size, config.data.images_per_class, parts.pipeline.balanced
    if balanced is not None:
        left = data.classes - balanced.order.classes
        print(
            f"a batch has {counted(batch // each, 'class', 'classes')} of {each} images"
            + (f"; {counted(left, 'class', 'classes')} of one image left out" if left else "")
        )
    elif isinstance(parts.model.head, PairHead) and batch <= data.classes:
        say(
            f"few of a batch's {batch} images have another of their class, and only these train {config.head.label}; "
            "give data.sampler=classes data.images_per_class=4",
            file=sys.stderr,
        )


def plot(config: DictConfig, data: PreparedData, parts: Assembly, run: Recorder, folder: Path) -> None:
    """Write plots of the learning rate and, if they change, of augmented train images into `folder`; record them."""
    schedule, augmentation = folder / "schedule.png", folder / "augmentation.png"
    plot_schedule(parts.schedule, parts.pipeline.steps_per_epoch, config.train.epochs, schedule)
    run.file(schedule)
    if isinstance(parts.augment, Unchanged):
        return
    plot_augmentation(
        data,
        parts.augment,
        image_size=config.data.image_size,
        normalization=config.data.normalization.value,
        seed=config.seed,
        file=augmentation,
    )
    run.file(augmentation)


def _device(strategy: tf.distribute.Strategy) -> str:
    kind = strategy.extended.worker_devices[0].rpartition("device:")[2].split(":")[0]
    names = [
        tf.config.experimental.get_device_details(d).get("device_name") for d in tf.config.list_physical_devices(kind)
    ]
    count = strategy.num_replicas_in_sync
    return f"{count} x {names[0] if names and names[0] else kind}" if kind != "CPU" else f"CPU ({os.cpu_count()} cores)"
