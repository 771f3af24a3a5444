"""The settings by which a command chooses a trained model: `run` or `model`, `checkpoint`, `tta` and `strategy`."""

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
