"""The heads of conf/head, built from their own YAML."""

import importlib
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

FILES = sorted((Path(__file__).parents[3] / "conf/head").glob("*.yaml"))


def config_of(file: Path) -> dict[str, Any]:
    config: Any = OmegaConf.to_container(OmegaConf.load(file))
    return config


def target_of(file: Path) -> Any:
    module, _, name = config_of(file)["_target_"].rpartition(".")
    return getattr(importlib.import_module(module), name)


def arguments_of(file: Path) -> dict[str, Any]:
    return {key: value for key, value in config_of(file).items() if key not in {"_target_", "label"}}


def head_of(file: Path, num_classes: int) -> Any:
    return target_of(file)(num_classes=num_classes, **arguments_of(file))
