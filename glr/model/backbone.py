"""Backbones map normalised images [B, S, S, 3] to feature maps [B, h, w, C]."""

import inspect
import re
import warnings
from pathlib import Path

import keras

from glr.errors import GlrError, first_line
from glr.model.parts import configure


def KerasApplication(  # noqa: N802
    *,
    application: str,
    weights: str | None,
    trainable: str,
    batchnorm_momentum: float | None,
    image_size: int,
) -> keras.Model:
    """A network of `keras.applications` without its classifier and without its own input scaling.

    Args:
        application: the name of its constructor, e.g. "DenseNet201".
        weights: "imagenet", None for random weights, or a file of weights for the network without its classifier.
        trainable: "all", "none", or the name of the first layer that trains (earlier layers are frozen).
        batchnorm_momentum: momentum of every BatchNorm's moving averages; None keeps the published value.
        image_size: S, pixels.

    Raises:
        ValueError: the network does not accept this image size, layer name or file.
        GlrError: the ImageNet weights cannot be downloaded.
    """
    constructor = getattr(keras.applications, application, None)
    if not inspect.isfunction(constructor):
        raise ValueError(f"application={application}: keras.applications has no such network")
    published = weights if weights == "imagenet" else None
    # data.normalization has already normalised the input, so the scaling layers of these networks are left out.
    own_scaling = application.startswith(("ConvNeXt", "EfficientNetV2", "MobileNetV3"))
    extra = {"include_preprocessing": False} if own_scaling else {}
    shape = (image_size, image_size, 3)
    try:
        network = constructor(include_top=False, weights=published, input_shape=shape, **extra)
    except ValueError as error:
        if minimum := re.search(r"Input size must be at least (\d+)", str(error)):
            raise ValueError(
                f"{application} needs images of at least {minimum[1]} pixels: data.image_size={image_size}"
            ) from error
        raise
    except Exception as error:
        if "URL fetch failure" not in str(error):
            raise
        raise GlrError(
            f"backbone.weights=imagenet: the ImageNet weights of {application} could not be downloaded; "
            "connect to the network once (they are cached in ~/.keras), give a weights file, or set "
            "backbone.weights=null for random weights"
        ) from error
    if weights is not None and not published:
        _load(network, weights, "imagenet, null")
    if re.fullmatch(r"EfficientNetB\d", application):
        # This family has no option to omit its scaling layers: let the network begin after them.
        network = keras.Model(network.get_layer("stem_conv_pad").input, network.output, name=network.name)
    return configure(network, trainable, batchnorm_momentum)


def SmallCNN(  # noqa: N802
    *,
    width: int,
    weights: str | None,
    trainable: str,
    batchnorm_momentum: float | None,
    image_size: int,
) -> keras.Model:
    """Four 3x3 convolutions of stride 2 with BatchNorm and ReLU, `width` to 8 x `width` channels.

    Raises:
        ValueError: the network does not accept this layer name or file.
    """
    images = x = keras.Input((image_size, image_size, 3))
    for block, channels in enumerate([width, 2 * width, 4 * width, 8 * width]):
        x = keras.layers.Conv2D(channels, 3, 2, "same", use_bias=False, name=f"conv{block}")(x)
        x = keras.layers.BatchNormalization(name=f"norm{block}")(x)
        x = keras.layers.ReLU(name=f"relu{block}")(x)
    network = keras.Model(images, x, name="small_cnn")
    if weights is not None:
        _load(network, weights, "null")
    return configure(network, trainable, batchnorm_momentum)


def _load(network: keras.Model, weights: str, others: str) -> None:
    """Load a file of weights; `others` are the other values of the setting `weights`."""
    if not Path(weights).is_file():
        raise ValueError(f"weights={weights}: no such file; give {others} or a file of weights")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of every container that another network's file lacks
            network.load_weights(weights)
    except (ValueError, OSError, KeyError) as error:
        reason = first_line(error).partition(". ")[0]
        raise ValueError(f"weights={weights} does not hold weights of {network.name} ({reason})") from error
