"""Open the prepared data set that a config names, made first where that is asked for."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from glr.config.component import build
from glr.data.preparation import prepare as prepare_source
from glr.data.prepared import PreparedData


def open_data(config: DictConfig, *, prepare: bool, **options: Any) -> PreparedData:
    """Open and verify the set at `config.path`.

    Args:
        config: a choice of conf/data.
        prepare: make the set from `config.source` when nothing is there yet.
        options: of `glr.data.preparation.prepare`.

    Raises:
        GlrError: there is none, it is damaged or was made from another source, or the source is bad.
    """
    path = Path(config.path)
    settings: Any = OmegaConf.to_container(config.source, resolve=True)
    if prepare and not (path / "manifest.json").is_file():
        return prepare_source(build(config.source), path, settings=settings, **options)
    data = PreparedData(path)
    data.check_source(settings)
    return data
