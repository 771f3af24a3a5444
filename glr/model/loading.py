"""Rebuild the model of a past run from the config and the weights that the run stored."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import keras
import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from glr.config.check import check, check_slots
from glr.config.component import build, named, resolve
from glr.config.identity import ADDED, flattened
from glr.config.schema import TrainConfig
from glr.config.shorthand import start
from glr.config.signature import signature
from glr.errors import GlrError, first_line
from glr.model.network import RetrievalModel
from glr.model.weights import load_weights

_LARGEST_CONFIG = 1_000_000  # bytes; a run's config has about 4,000


def read_config(file: Path, trust: Sequence[str] = (), name: str | None = None) -> DictConfig:
    """Read the config.yaml that a run stored. It is untrusted, so it is checked before anything is built.

    Components' classes are looked up where conf/ names them now. Settings added to glr since the run get the values
    that reproduce its computation.

    Args:
        file: written by glr, or forged.
        trust: packages, or full paths of classes, that may be built although conf/ does not name them.
        name: the run, for messages; None: they name the file.

    Raises:
        GlrError: the file is not a config, or holds settings or classes that this version of glr does not accept.
    """
    settings = _plain(file)
    if isinstance(text := settings.get("init_from"), str | None):  # earlier versions stored a text or null
        settings.init_from = start(text)
    try:
        config: Any = OmegaConf.merge(OmegaConf.structured(TrainConfig), settings)
    except OmegaConfBaseException as error:
        reason = first_line(error)
        raise GlrError(f"{file} was written by another version of glr ({reason}); use that one") from error
    try:
        check_slots(config)
        resolve(config, trust)
        stored = dict(flattened(cast(dict[str, object], OmegaConf.to_container(settings))))
        for key, value in ADDED.items():
            if key not in stored and f"{key}._target_" not in stored and _takes(config, key):
                target = named(key).get(value) if isinstance(value, str) else None
                OmegaConf.update(config, key, {"_target_": target} if target else value, force_add=True)
        if missing := sorted(OmegaConf.missing_keys(config)):
            raise GlrError(f"this is not the config of a run: it lacks {', '.join(missing[:3])}")
        check(config)
    except GlrError as error:
        raise GlrError(f"{name or file}: {error}") from error
    return config


def _takes(config: DictConfig, key: str) -> bool:
    """Return True if a key is a setting of the schema, or an argument of the component that holds it."""
    place, _, name = key.rpartition(".")
    node = OmegaConf.select(config, place) if place else config
    if not isinstance(node, DictConfig):
        return False
    return "_target_" not in node or name in (signature(node["_target_"]) or {})


def _plain(file: Path) -> DictConfig:
    """Read the mapping in a YAML file; refuse aliases, which may expand, and interpolations, which would be evaluated.

    Raises:
        GlrError: the file holds something else.
    """
    if file.stat().st_size > _LARGEST_CONFIG:
        raise GlrError(f"{file} is not a config: it has {file.stat().st_size:,} bytes")
    try:
        text = file.read_text()
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise GlrError(f"{file} holds an alias, which glr never writes")
        settings = OmegaConf.load(io.StringIO(text))
        values: Any = OmegaConf.to_container(settings)
        flat = list(flattened(values))
    except (ValueError, AttributeError, RecursionError, yaml.YAMLError, OmegaConfBaseException) as error:
        raise GlrError(f"{file} is not a config ({first_line(error)})") from error
    for key, value in flat:
        if "${" in str(value):
            raise GlrError(f"{file}: {key}={value}: a stored config must not refer to other values")
    return cast(DictConfig, settings)


def build_model(config: DictConfig, classes: int, image_size: int | None) -> RetrievalModel:
    """Build the model that a config describes, in the config's precision.

    Args:
        config: composed from conf/train.yaml.
        classes: number of classes of the train set.
        image_size: S, pixels; None: images of any size.
    """
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_global_policy(config.train.precision.value)
    try:
        return RetrievalModel(
            build(config.backbone, image_size=image_size),
            build(config.pooling),
            build(config.head, num_classes=classes),
            embedding_size=config.model.embedding_size,
            batchnorm_momentum=config.model.batchnorm_momentum,
            normalization=config.data.normalization.value,
            synchronised=config.model.batchnorm.value == "synchronised",
        )
    finally:
        keras.mixed_precision.set_global_policy(before)


def load_model(config: DictConfig, classes: int, weights: Path, *, any_size: bool = False) -> RetrievalModel:
    """Load a trained model.

    Args:
        config: the config of the model's run.
        classes: number of classes of its train set.
        weights: the file that the run stored.
        any_size: let the model take images of any size, not only of the run's size.

    Raises:
        GlrError: the weights do not fit this model.
    """
    config = config.copy()
    if "weights" in config.backbone:
        config.backbone.weights = None  # the file holds all weights
    model = build_model(config, classes, None if any_size else config.data.image_size)
    load_weights(model, weights)
    return model
