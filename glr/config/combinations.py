"""Refuse settings of different components that do not fit together, before the first job starts.

Only what the config and the source of heads and poolings show is checked here. The parts of a run check the same when
they are built, for every class and network.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from glr.config.component import class_of
from glr.config.signature import declared
from glr.errors import GlrError

_OF_IMAGES = {"ResNetBackbone", "SwinTransformerBackbone"}  # networks of KerasHub without a class token
_WITHOUT_BLOCKS = ("Inception", "MobileNetV3")  # beginnings of names of networks of Keras Applications
_GROUPS = ("backbone", "pooling", "head", "optimizer", "schedule", "regularization", "train", "data")


def check_combinations(settings: DictConfig) -> None:
    """Check the settings of a command that trains; others are accepted as they are.

    Args:
        settings: composed; each setting was checked by itself, and no value is missing.

    Raises:
        GlrError: the first combination that cannot work, or in which a setting would do nothing.
    """
    if all(group in settings for group in _GROUPS):
        for sentence in _mistakes(settings):
            raise GlrError(sentence)


def check_image_size(network: str, architecture: Mapping[Any, Any], image_size: int) -> None:
    """Refuse images that the patches of a network of KerasHub do not cover.

    Raises:
        GlrError: the size is no multiple of the patch, or the patch is not square: its tokens would form a wrong map.
    """
    patch = architecture.get("patch_size", 1)
    sides = {*patch} if isinstance(patch, list) else {patch}
    if len(sides) != 1 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise GlrError(f"backbone.architecture.patch_size={patch}: expected a whole number of pixels, at least 1")
    step = stride(architecture)
    if image_size % step:
        near = max(image_size // step, 1) * step
        raise GlrError(
            f"data.image_size={image_size}: {network} needs a multiple of {step}, such as {near} or {near + step}"
        )


def stride(architecture: Mapping[Any, Any]) -> int:
    """The pixels between neighbouring positions of the feature map of a transformer; 1 for other networks."""
    patch, depths = architecture.get("patch_size", 1), architecture.get("depths")
    stages = len(depths) if isinstance(depths, list) else 1
    return (patch if isinstance(patch, int) else patch[0]) * 2 ** (stages - 1)


def _mistakes(settings: DictConfig) -> Iterator[str]:
    backbone, train = settings.backbone, settings.train
    kind, pooling, head, schedule, penalty = (
        class_of(group, settings[group]._target_)
        for group in ("backbone", "pooling", "head", "schedule", "regularization")
    )
    network, application = str(backbone.get("network")), str(backbone.get("application"))
    name, of_head = backbone.get("label") or kind, settings.head.get("label") or head
    reads_token = declared(settings.pooling._target_, "reads_class_token")
    has_weights = declared(settings.head._target_, "has_weights") is not False
    architecture: Any = {}
    if kind == "KerasHub":
        architecture = OmegaConf.to_container(backbone.architecture, resolve=True)
        check_image_size(network, architecture, settings.data.image_size)
    if reads_token and (kind in ("KerasApplication", "SmallCNN") or network in _OF_IMAGES):
        yield f"pooling: {name} has no class token for {pooling}; give pooling=gem"
    blocks = kind != "SmallCNN" and not application.startswith(_WITHOUT_BLOCKS)
    branches = application.startswith("ConvNeXt") if kind == "KerasApplication" else network != "ResNetBackbone"
    for key, neutral, known, reason in (
        ("layer_decay", 1, blocks, "knows no blocks"),
        ("drop_path", 0, blocks and branches, "cannot drop branches"),
    ):
        given = f"train.{key}={train[key]}"
        if train[key] != neutral and not known:
            yield f"{given}: glr {reason} of {name}; give {neutral}"
        if train[key] != neutral and backbone.get("trainable") == "none":
            yield f"{given} does nothing with backbone.trainable=none; give {neutral}"
    if train.drop_path and (own := architecture.get("drop_path")):
        yield f"train.drop_path={train.drop_path}: {name} has backbone.architecture.drop_path={own}; set one to 0"
    if not has_weights and train.head_rate != 1:
        yield f"train.head_rate={train.head_rate}: {of_head} has no weights to train; give 1"
    if not has_weights and penalty == "L2" and settings.regularization.scope == "head":
        yield (
            f"regularization.scope=head: {of_head} has no weights to penalise; give regularization.scope=all or "
            "regularization=none"
        )
    if train.weight_decay_on.value == "all" and not settings.optimizer.get("weight_decay", True):
        yield "train.weight_decay_on=all does nothing without optimizer.weight_decay; give both or neither"
    if isinstance(peak := settings.schedule.get("peak"), int | float) and not peak > 0:
        key = "optimizer.learning_rate" if peak == settings.optimizer.get("learning_rate") else "schedule.peak"
        yield f"{key}={peak}: expected a number above 0"
    if schedule == "WarmupCosine" and (length := settings.schedule.warmup_epochs) >= train.epochs:
        yield f"schedule.warmup_epochs={length}: expected less than train.epochs={train.epochs}"
