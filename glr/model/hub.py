"""Backbones of KerasHub: transformers, and other networks that Keras Applications lacks."""

import inspect
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np

from glr.config.combinations import check_image_size, stride
from glr.config.installation import library
from glr.errors import GlrError, first_line
from glr.model.parts import configure

_RUNTIME = {"image_shape", "data_format", "dtype", "name", "kwargs", "self"}  # glr sets these, or leaves them out


def KerasHub(  # noqa: N802
    *,
    network: str,
    architecture: dict[str, Any],
    weights: str | None,
    trainable: str,
    batchnorm_momentum: float | None,
    image_size: int | None,
) -> keras.Model:
    """A backbone of `keras_hub.models`, with the tokens of its patches arranged as a feature map.

    Its outputs are the map [B, h, w, C] and, if the network has one, the class token [B, C]: the first token, or the
    result of the network's own attention pooling (SigLIP). Register tokens are left out. The random initial values of
    positions and tokens are KerasHub's.

    Args:
        network: the class, e.g. "ViTBackbone".
        architecture: the arguments of the class: numbers, texts, and lists of numbers.
        weights: a preset of this architecture (a name, or an address of Kaggle or Hugging Face), a folder that
            `save_to_preset` wrote, or None for random weights. Positions are interpolated to `image_size`.
        trainable: "all", "none", or the name of the first layer that trains; see `glr.model.parts.configure`.
        batchnorm_momentum: momentum of every BatchNorm's moving averages; None keeps the published value.
        image_size: S, pixels.

    Raises:
        ValueError: an argument that the network does not accept, or weights of another architecture.
        GlrError: KerasHub is not installed, the patches do not cover the image, or the weights cannot be loaded.
    """
    made = _built(_backbone_class(network), architecture, image_size)
    if weights is not None:
        _load(made, weights)
    return configure(_mapped(made, int(image_size or 0)), trainable, batchnorm_momentum)


def _hub() -> Any:
    return library("keras_hub", "hub", "this backbone needs KerasHub, which is not installed")


def _backbone_class(network: str) -> Any:
    models = _hub().models
    kind = getattr(models, network, None)
    if not (inspect.isclass(kind) and issubclass(kind, models.Backbone)):
        raise ValueError(f"network={network}: keras_hub.models has no such backbone")
    return kind


def _built(kind: Any, architecture: dict[str, Any], image_size: int | None) -> Any:
    known = inspect.signature(kind).parameters.keys() - _RUNTIME
    for name, value in architecture.items():
        if name not in known:
            raise ValueError(f"architecture.{name}: {kind.__name__} has {', '.join(sorted(known))}")
        numbers = isinstance(value, list) and all(isinstance(each, int | float) for each in value)
        if not numbers and not isinstance(value, int | float | str | None):  # Keras would build objects from mappings
            raise ValueError(f"architecture.{name}={value}: expected a number, a text or a list of numbers")
    if architecture.get("drop_path_rate"):  # DINOv2's and DINOv3's
        raise ValueError(
            f"architecture.drop_path_rate: KerasHub 0.32 does not drop branches of {kind.__name__}, it scales them at "
            "random; leave it out and give train.drop_path"
        )
    if image_size is None:
        raise ValueError(f"{kind.__name__} takes images of one size, without tta.scales; give tta=none or tta=flip")
    check_image_size(kind.__name__, architecture, image_size)
    shape = (image_size, image_size, 3)
    # Positions of this size from the start: DINOv2 keeps others beside them, and loses trained ones when it saves.
    own = {"position_embedding_shape": shape} if "position_embedding_shape" in known else {}
    try:
        # The name becomes a prefix of the layers: without it some would be called `embedding`, as a layer of glr is.
        made = kind(**architecture, **own, image_shape=shape, name=kind.__name__.lower())
    except TypeError as error:
        raise ValueError(f"architecture: {first_line(error)}") from error
    for layer in made.layers:
        if own and hasattr(layer, "interpolated_position_embeddings"):
            _stored_as_it_is(layer)
    return made


def _stored_as_it_is(layer: Any) -> None:
    """Save and load a layer's positions like all weights.

    KerasHub 0.32 reads back a stored copy instead, which it updates only if the sum of the positions has fallen.
    """
    layer.save_own_variables = lambda store: keras.layers.Layer.save_own_variables(layer, store)
    layer.load_own_variables = lambda store: keras.layers.Layer.load_own_variables(layer, store)


def _mapped(made: Any, image_size: int) -> keras.Model:
    images = keras.tree.flatten(made.input)[0]
    pooled = len(made.output.shape) == 2  # SigLIP's; the tokens are the input of its pooling
    tokens = made.post_layer_norm.output if pooled else made.output
    if len(tokens.shape) == 4:
        return keras.Model(images, tokens, name=made.name)
    side, channels = image_size // stride(made.get_config()), tokens.shape[-1]
    extra = 0 if pooled else tokens.shape[1] - side**2
    maps = keras.ops.reshape(tokens[:, extra:], (-1, side, side, channels))
    summary = made.output if pooled else tokens[:, 0]
    return keras.Model(images, [maps, summary] if pooled or extra else maps, name=made.name)


def _load(made: Any, weights: str) -> None:
    """Copy a preset's weights; interpolate its positions if its images have another size."""
    try:
        source = _hub().models.Backbone.from_preset(weights)
    except Exception as error:  # the clients of Kaggle and Hugging Face raise many kinds
        unknown = "Unknown preset identifier" in str(error)
        if unknown or Path(weights).exists():
            reason = "KerasHub has no such preset, and there is no such folder" if unknown else first_line(error)
            raise ValueError(f"weights={weights}: {reason}") from error
        # Without a network KerasHub calls Hugging Face's presets, and gated ones, presets without a config.json.
        raise GlrError(
            f"backbone.weights={weights}: the preset could not be fetched ({first_line(error)}); connect to the "
            "network once (it is cached), accept the terms of a gated preset and log in, name a preset's folder, or "
            "set backbone.weights=null for random weights"
        ) from error
    source = getattr(source, "vision_encoder", source)  # of a model of images and texts
    ours, theirs = (_compared(each) for each in (made, source))
    if type(source) is not type(made) or len(ours) != len(theirs):
        raise ValueError(
            f"weights={weights} is a {type(source).__name__} of {len(theirs)} arrays; "
            f"this {type(made).__name__} has {len(ours)}: give the architecture of the preset"
        )
    for own, other in zip(ours, theirs, strict=True):
        value: Any = keras.ops.convert_to_numpy(other)
        if own.shape != other.shape and "position_embedding" in own.path:
            value = interpolated(value, own.shape[-2])
        if own.shape != value.shape:
            raise ValueError(
                f"weights={weights}: {own.path} has the shape {list(value.shape)}, in this architecture "
                f"{list(own.shape)}: give the architecture of the preset"
            )
        own.assign(value)


def _compared(network: keras.Model) -> list[keras.Variable]:
    """The weights that a preset and a network share: mask tokens serve other trainings, and position ids are fixed."""
    return [w for w in network.weights if w.name not in ("mask_token", "position_ids", "seed_generator_state")]


def interpolated(positions: np.ndarray[Any, Any], count: int) -> np.ndarray[Any, Any]:
    """Interpolate the position embeddings of a square grid of patches, bicubically as DINOv2 does.

    Args:
        positions: float [..., n, D]: first those of class tokens, then those of g x g patches; g is the largest number
            with g^2 <= n.
        count: the new n, with as many class tokens.

    Returns:
        float [..., count, D].
    """
    before = math.isqrt(positions.shape[-2])
    extra = positions.shape[-2] - before**2
    side = math.isqrt(count - extra)
    grid = positions[..., extra:, :].reshape(1, before, before, -1)
    resized: Any = keras.ops.convert_to_numpy(
        keras.ops.image.resize(grid, (side, side), interpolation="bicubic", data_format="channels_last")
    )
    new = resized.reshape(*positions.shape[:-2], side**2, -1)
    return np.concatenate([positions[..., :extra, :], new], axis=-2)
