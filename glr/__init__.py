"""Train, compare and use image-retrieval models.

>>> import glr
>>> model = glr.load("densenet201-adacos_semi", study="demo")
>>> index = glr.Index.build(model, "photos/")
>>> index.search("query.jpg", k=10)

`glr.run` runs any command, and `glr.compose` composes and checks its settings.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glr.config.command import compose, run
    from glr.errors import GlrError
    from glr.retrieval.index import Index
    from glr.retrieval.trained import TrainedModel, load

_HOMES = {
    "GlrError": "glr.errors",
    "Index": "glr.retrieval.index",
    "TrainedModel": "glr.retrieval.trained",
    "compose": "glr.config.command",
    "load": "glr.retrieval.trained",
    "run": "glr.config.command",
}
_ON_TENSORFLOW = {"TrainedModel", "load"}
__all__ = ["GlrError", "Index", "TrainedModel", "compose", "load", "run"]


def __getattr__(name: str) -> Any:
    """Import a part of the public interface when it is first used: TensorFlow and MLflow take seconds."""
    if name not in _HOMES:
        raise AttributeError(f"module 'glr' has no attribute {name!r}")
    if name in _ON_TENSORFLOW:
        import_module("glr.devices.startup").import_tensorflow()
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
