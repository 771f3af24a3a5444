"""A training job: everything built from its config, trained, scored and recorded."""

import os
import random
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from omegaconf import DictConfig

from glr.config.component import build
from glr.data.pipeline import TrainPipeline
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from glr.evaluation.evaluator import Evaluator
from glr.report.report import report
from glr.retrieval.extraction import Extractor
from glr.tracking.run import Run
from glr.trained import build_model, load_weights
from glr.training.feed import Feed
from glr.training.loop import epochs
from glr.training.plot import plot_augmentation, plot_schedule
from glr.training.step import TrainStep


def train(config: DictConfig, data: PreparedData, run: Run, weights: Path | None = None) -> dict[str, dict[str, float]]:
    """Train, evaluate and record one run.

    Args:
        config: composed from conf/train.yaml.
        data: the prepared data set.
        run: the open MLflow run.
        weights: to start from, of a model of the same shape; None: those that the backbone's config names.

    Returns:
        The retrieval metrics (`public/gap`, ...) of the "untrained" (if asked for) and of the "trained" model.

    Raises:
        GlrError: the data cannot be read, or training diverged.
    """
    # Keras draws the seeds of weights and dropout from Python's generator; the input pipeline has seeds of its own.
    random.seed(config.seed)
    strategy = build(config.strategy)
    batch_size, last = config.train.batch_size, config.train.epochs
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise GlrError(f"train.batch_size={batch_size} is the global batch; give a multiple of the {replicas} replicas")
    validation = "validation" in data.shards
    if config.data.train_on_validation and not validation:
        raise GlrError(f"data.train_on_validation=true, but {data.path} was prepared without data.validation_share")
    augment = build(config.augment)
    pipeline = TrainPipeline(
        data,
        augment,
        splits=("train", "validation") if config.data.train_on_validation else ("train",),
        image_size=config.data.image_size,
        batch_size=batch_size,
        seed=config.seed,
        shuffle_buffer=config.data.shuffle_buffer,
        parallelism=config.data.parallelism,
    )
    steps_per_epoch = pipeline.steps_per_epoch
    total_steps = last * steps_per_epoch
    schedule = build(config.schedule, steps_per_epoch=steps_per_epoch, total_steps=total_steps)
    with strategy.scope():
        model = build_model(config, data.classes, config.data.image_size)
        if weights is not None:
            try:
                load_weights(model, weights)
            except GlrError as error:
                raise GlrError(f"init_from: {error}") from error
        optimizer = build(config.optimizer, learning_rate=schedule)
        if config.train.precision.value == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    step = TrainStep(model, optimizer, schedule, build(config.regularization), strategy, batch_size)
    evaluator = Evaluator(
        data,
        Extractor(model, strategy, config.evaluate.batch_size),
        parallelism=config.data.parallelism,
        neighbors=config.evaluate.gap.neighbors,
        memory=config.evaluate.memory,
        dtype=config.evaluate.descriptors.value,
        head=model.head if validation and not config.data.train_on_validation else None,
    )
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)
    run.tags({"device": _device(strategy), "replicas": replicas})
    run.params({"parameters": model.count_params(), "trainable_parameters": trainable, "classes": data.classes})
    run.params({"train_images": pipeline.images, "steps_per_epoch": steps_per_epoch})
    print(
        f"{pipeline.images:,} train images of {data.classes:,} classes, {len(evaluator.set.index):,} index images, "
        f"{len(evaluator.set.query):,} queries\n"
        f"{model.count_params():,} parameters, {trainable:,} of them trained, on {_device(strategy)}\n"
        f"{last} epochs of {steps_per_epoch} steps of {batch_size} images"
    )

    score = config.evaluate.score.value
    scores: dict[str, dict[str, float]] = {}
    best = -1.0
    with tempfile.TemporaryDirectory(prefix="glr-") as temporary:
        folder = Path(temporary)
        descriptors = folder / "descriptors"
        plot_schedule(schedule, steps_per_epoch, last, folder / "schedule.png")
        run.file(folder / "schedule.png")
        plot_augmentation(
            data,
            augment,
            image_size=config.data.image_size,
            normalization=config.data.normalization.value,
            seed=config.seed,
            file=folder / "augmentation.png",
        )
        run.file(folder / "augmentation.png")
        if config.evaluate.untrained:
            scores["untrained"] = evaluator(descriptors)
            run.metrics({f"untrained/{name}": value for name, value in scores["untrained"].items()}, 0)
            print(f"untrained: {_shown(scores['untrained'], score)}")
        feed = Feed(pipeline, strategy, 0, total_steps)
        for epoch, metrics in enumerate(
            epochs(step, feed, first=1, last=last, steps_per_epoch=steps_per_epoch), start=1
        ):
            line = (
                f"epoch {epoch}/{last}: loss {metrics['loss']:.4f}, accuracy {metrics['accuracy']:.4f}, "
                f"{metrics['images_per_second']:.0f} images/s"
            )
            every = config.evaluate.every
            if epoch == last or (every is not None and epoch % every == 0):
                if epoch == last and config.optimizer.get("use_ema"):
                    optimizer.finalize_variable_values(model.trainable_variables)
                scores["trained"] = evaluator(descriptors)
                metrics |= scores["trained"]
                metrics |= {f"{usage}_score": scores["trained"][f"{usage}/{score}"] for usage in ("public", "private")}
                line += f"; {_shown(scores['trained'], score)}"
                if metrics["public_score"] > best:
                    best = metrics["public_score"]
                    metrics |= {"best_epoch": epoch, "best_public_score": best}
                    model.save_weights(folder / "best.weights.h5")
            run.metrics(metrics, epoch)
            print(line)
        model.save_weights(folder / "last.weights.h5")
        run.file(folder / "best.weights.h5", "weights")
        run.file(folder / "last.weights.h5", "weights")
        if config.evaluate.gallery and evaluator.ranking is not None:
            found, title = evaluator.set, f"{config.backbone.label}, {config.head.label} on {config.data.label}"
            for file in report(
                found.task,
                evaluator.ranking,
                found.index,
                found.query,
                title=title,
                each=config.evaluate.gallery,
                folder=folder,
            ):
                run.file(file)
        if config.evaluate.keep_descriptors:
            for file in sorted(descriptors.iterdir()):
                run.file(file, "descriptors")
            run.tags({"descriptors": f"{run.artifacts}/descriptors"})
    return scores


def _device(strategy: tf.distribute.Strategy) -> str:
    kind = strategy.extended.worker_devices[0].rpartition("device:")[2].split(":")[0]
    names = [
        tf.config.experimental.get_device_details(d).get("device_name") for d in tf.config.list_physical_devices(kind)
    ]
    count = strategy.num_replicas_in_sync
    return f"{count} x {names[0] if names and names[0] else kind}" if kind != "CPU" else f"CPU ({os.cpu_count()} cores)"


def _shown(scores: dict[str, float], score: str) -> str:
    return ", ".join(f"{usage} {score} {scores[f'{usage}/{score}']:.4f}" for usage in ("public", "private"))
