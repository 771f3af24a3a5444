"""The settings by which a command chooses a trained model, and the images that the model describes."""

from collections.abc import Mapping, Sequence

from omegaconf import DictConfig

from glr.devices.workers import trains_together
from glr.errors import GlrError


def check_model(config: DictConfig) -> None:
    """Refuse settings that contradict each other, before TensorFlow is imported.

    Raises:
        GlrError: not one of `run` and `model` is given, or another setting does not fit the given one.
    """
    if bool(config.run) == bool(config.model):
        raise GlrError("give run=NAME (or its id), or model=FOLDER of a SavedModel: one of them")
    if config.model is not None and config.tta.flip and not config.model.endswith(".keras"):
        raise GlrError("tta: a SavedModel makes its own views of an image; flip needs a run")
    if config.model is not None and config.checkpoint.value != "last":
        raise GlrError("checkpoint=best: a SavedModel has one set of weights; this setting needs a run")
    if trains_together(config):
        raise GlrError("strategy=multi_worker: several workers train a run; one machine describes images")


def check_images(config: DictConfig, ways: Sequence[Mapping[str, str]]) -> list[str]:
    """Refuse images that are given in no way, or in several; a run also has the images of its own data set.

    Args:
        config: the command's settings.
        ways: the ways to give images; each maps the settings that belong together to the kinds of their values.

    Returns:
        The settings that are given.

    Raises:
        GlrError: they are not those of one way, or `model` is given without any.
    """
    given = [key for way in ways for key in way if config[key] is not None]
    if given not in ([], *map(list, ways)):
        every = ", or ".join(" ".join(f"{key}={kind}" for key, kind in way.items()) for way in ways)
        raise GlrError(f"{', '.join(given)}: give {every}")
    if not given and config.model is not None:
        every = ", or ".join(" and ".join(f"{key}=" for key in way) for way in ways)
        raise GlrError(f"model has no data set: give {every}")
    return given
