"""All parts of a training run, built from its config."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from omegaconf import DictConfig

from glr.config.component import build
from glr.data.opening import train_splits
from glr.data.pictures import FirstPictures, StoredPictures
from glr.data.pipeline import TrainPipeline
from glr.data.prepared import PreparedData
from glr.devices.keras_internals import scale_rates
from glr.errors import GlrError
from glr.model.drop_path import drop_paths
from glr.model.loading import build_model
from glr.model.network import RetrievalModel
from glr.model.parts import depths
from glr.model.weights import load_parts
from glr.optim.optimizer import decay_kernels_only, decay_rates
from glr.optim.schedule import Schedule
from glr.retrieval.excerpt import excerpt
from glr.retrieval.extraction import Extractor
from glr.retrieval.sets import prepared
from glr.train.evaluator import Evaluator, Validation
from glr.train.overfit import Overfit
from glr.train.step import TrainStep

_OF_ONE_REPLICA = ("gradient_accumulation_steps", "ema_overwrite_frequency")  # Keras allows these on one replica only


@dataclass(frozen=True)
class Assembly:
    """The parts of a training run.

    Attributes:
        strategy: the devices that compute.
        augment: the augmentation of train images.
        pipeline: train batches.
        schedule: learning rates by step.
        model: the model with its head.
        step: the step that trains the model.
    """

    strategy: tf.distribute.Strategy
    augment: Any
    pipeline: TrainPipeline
    schedule: Schedule
    model: RetrievalModel
    step: TrainStep

    @property
    def trainable(self) -> int:
        """The number of trained parameters."""
        return sum(int(np.prod(weight.shape)) for weight in self.model.trainable_variables)


def assembled(config: DictConfig, data: PreparedData, weights: Path | None) -> Assembly:
    """Build the parts of a run.

    Args:
        config: composed from conf/train.yaml.
        data: the prepared data set.
        weights: file of initial weights; None: initialise as the backbone's config says.

    Raises:
        GlrError: settings and data do not fit together.
    """
    # Keras draws the seeds of weights and dropout from Python's generator; the input pipeline has seeds of its own.
    random.seed(config.seed)
    if config.train.deterministic:
        tf.config.experimental.enable_op_determinism()
    strategy = build(config.strategy)
    batch_size, replicas = config.train.batch_size, strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise GlrError(f"train.batch_size={batch_size} is the global batch; give a multiple of the {replicas} replicas")
    augment = build(config.augment)
    pipeline = TrainPipeline(
        data,
        augment,
        splits=train_splits(config.data),
        image_size=config.data.image_size,
        batch_size=batch_size,
        seed=config.seed,
        shuffle_buffer=config.data.shuffle_buffer,
        parallelism=config.data.parallelism,
        images_per_class=config.data.images_per_class,
    ).shortened(config.debug.steps, one_batch=config.debug.target_loss is not None)
    steps = {"steps_per_epoch": pipeline.steps_per_epoch, "total_steps": config.train.epochs * pipeline.steps_per_epoch}
    schedule = build(config.schedule, **steps)
    step = train_step(config, strategy, schedule, data.classes, weights)
    return Assembly(strategy, augment, pipeline, schedule, step.model, step)


def evaluator(config: DictConfig, data: PreparedData, parts: Assembly) -> Evaluator:
    """Build the evaluator of a run; a debug run may evaluate few images.

    Raises:
        GlrError: a solution of the data set is missing or damaged, or does not match its images.
    """
    few, neighbors = config.debug.queries, config.evaluate.gap.neighbors
    validation = None
    if "validation" in data.shards and not config.data.train_on_validation:
        validation = Validation(FirstPictures(StoredPictures(data, "validation"), few), parts.model.head)
    return Evaluator(
        prepared(data, neighbors=neighbors) if few is None else excerpt(data, few, neighbors=neighbors),
        Extractor(parts.model, parts.strategy, config.evaluate.batch_size),
        validation,
        parallelism=config.data.parallelism,
        memory=config.evaluate.memory,
        dtype=config.evaluate.descriptors.value,
    )


def overfit(config: DictConfig, classes: int, pipeline: TrainPipeline) -> Overfit:
    """Build the target of a run on one batch; a run on all images has none.

    Raises:
        GlrError: the head's loss cannot fall far.
    """
    target, minimum, guessing = config.debug.target_loss, 0.0, 0.0
    if target is not None:
        head = build(config.head, num_classes=classes)
        head.build((None, 1))
        labels = next(pipeline.batches(0, 1)).labels
        minimum, guessing = head.simplex_loss(labels), head.guess_loss(labels)
    return Overfit(target, minimum, guessing, config.train.epochs)


def train_step(
    config: DictConfig, strategy: tf.distribute.Strategy, schedule: Schedule, classes: int, weights: Path | None = None
) -> TrainStep:
    """Build a model with this number of classes, its optimizer and the step that trains it.

    Raises:
        GlrError: the weights do not fit the model, the optimizer has a setting that works on one replica only, or a
            setting needs blocks of the backbone or weights of the head that do not exist.
    """
    replicas = strategy.num_replicas_in_sync
    refused = [setting for setting in _OF_ONE_REPLICA if config.optimizer.get(setting) is not None]
    if refused and replicas > 1:
        raise GlrError(
            f"optimizer.{refused[0]}: Keras supports this on one replica only, not on {replicas}; set it to null"
        )
    with strategy.scope():
        model = build_model(config, classes, config.data.image_size)
        if weights is not None:
            given = config.init_from
            try:
                name = given.file or f"run {given.run}"  # the file is a copy of it
                model.origin = load_parts(model, weights, list(map(str, given.parts)), strict=given.strict, name=name)
            except GlrError as error:
                raise GlrError(f"init_from: {error}") from error
        if (rate := config.train.drop_path) > 0:
            model.drop_path_seeds = drop_paths(model.network, rate)  # makes it a variable that checkpoints hold
        optimizer = _optimizer(config, model, schedule)
    return TrainStep(
        model,
        optimizer,
        schedule,
        build(config.regularization),
        strategy,
        config.train.batch_size,
        skip_non_finite=config.train.on_nan.value == "skip_batch",
        steps_per_call=config.train.steps_per_execution,
    )


def _optimizer(config: DictConfig, model: RetrievalModel, schedule: Schedule) -> keras.optimizers.Optimizer:
    """Build the optimizer with the rates and the decay of each weight."""
    optimizer = build(config.optimizer, learning_rate=schedule)
    if config.train.weight_decay_on.value == "kernels":
        decay_kernels_only(optimizer, model.trainable_variables)
    if (decay := config.train.layer_decay) != 1:
        if not (depth := depths(model.network)):
            raise GlrError(f"train.layer_decay={decay}: the layers of {config.backbone.label} form no blocks; give 1")
        decay_rates(optimizer, model.trainable_variables, depth, decay)
    if (factor := config.train.head_rate) != 1:
        if not (own := model.head.trainable_variables):
            raise GlrError(f"train.head_rate={factor}: {config.head.label} has no weights to train; give 1")
        scale_rates(optimizer, [(weight, factor) for weight in own])
    if config.train.precision.value == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer
