"""The model of a past run, built again from the config and the weights that the run stored."""

from pathlib import Path
from typing import Any

import keras
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from glr.config.component import build, resolve
from glr.config.schema import TrainConfig
from glr.errors import GlrError
from glr.model.network import RetrievalModel


def read_config(file: Path) -> DictConfig:
    """The config that a run stored as config.yaml, its components' classes where conf/ names them today.

    Raises:
        GlrError: it holds settings or classes that this version of glr does not know.
    """
    try:
        config: Any = OmegaConf.merge(OmegaConf.structured(TrainConfig), OmegaConf.load(file))
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0]
        raise GlrError(f"{file} was written by another version of glr ({reason}); use that one") from error
    try:
        resolve(config)
    except GlrError as error:
        raise GlrError(f"{file}: {error}") from error
    return config


def build_model(config: DictConfig, classes: int, image_size: int | None) -> RetrievalModel:
    """The model that a config describes, with a head for so many classes, in the config's precision.

    Args:
        config: composed from conf/train.yaml.
        classes: of the train set.
        image_size: S, pixels; None: images of any size.
    """
    keras.mixed_precision.set_global_policy(config.train.precision.value)
    return RetrievalModel(
        build(config.backbone, image_size=image_size),
        build(config.pooling),
        build(config.head, num_classes=classes),
        embedding_size=config.model.embedding_size,
        batchnorm_momentum=config.model.batchnorm_momentum,
        normalization=config.data.normalization.value,
        synchronised=config.model.batchnorm.value == "synchronised",
    )


def load_model(config: DictConfig, classes: int, weights: Path, *, any_size: bool = False) -> RetrievalModel:
    """A trained model.

    Args:
        config: of its run.
        classes: of its train set.
        weights: what the run stored.
        any_size: let it take images of any size, not only of the run's own.

    Raises:
        GlrError: the weights are not those of this model.
    """
    config = config.copy()
    if "weights" in config.backbone:
        config.backbone.weights = None  # all of them are in the file
    model = build_model(config, classes, None if any_size else config.data.image_size)
    load_weights(model, weights)
    return model


def load_weights(model: RetrievalModel, weights: Path) -> None:
    """Give a model its weights.

    Raises:
        GlrError: the file does not hold weights of this model.
    """
    try:
        model.load_weights(weights)
    except (ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise GlrError(f"{weights} does not hold weights of this model ({reason})") from error
