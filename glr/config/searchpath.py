"""Hydra's search path, where groups and choices are looked up: conf/, then --config-dir, then hydra.searchpath."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType

from glr.config.installation import CONF
from glr.config.internals import load, options, start_hydra
from glr.errors import GlrError


@contextmanager
def hydra(config_dir: str | None = None) -> Iterator[None]:
    """Start Hydra, unless it runs already.

    Args:
        config_dir: the folder that the flag --config-dir gives; unused if Hydra runs already.

    Raises:
        GlrError: a folder of the search path does not exist.
    """
    running = GlobalHydra.instance().is_initialized()
    if not running:
        if config_dir is not None and not Path(config_dir).is_dir():
            raise GlrError(f"--config-dir {config_dir}: there is no such folder")
        start_hydra(str(CONF), config_dir)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", r"provider=.* is not available", UserWarning)
            yield
    except UserWarning as missing:
        folder = str(missing).rpartition("path=")[2].removesuffix(" is not available.")
        raise GlrError(f"hydra.searchpath: there is no folder {folder}") from missing
    finally:
        if not running:
            GlobalHydra.instance().clear()


def folders(overrides: Sequence[str]) -> tuple[str, ...]:
    """Identify the search path of a command line, which must be that of the running Hydra."""
    path = GlobalHydra.instance().config_loader().get_search_path().get_path()
    return (*(f"{source.provider} {source.path}" for source in path), *given(overrides))


def choices(group: str, overrides: Sequence[str] = ()) -> list[str]:
    """The names of a group's choices, including those in subgroups; names with a leading underscore do not count.

    Args:
        group: the group, such as `head`.
        overrides: a command line, which may set hydra.searchpath.
    """
    with hydra():
        return sorted(_choices(group, given(overrides)))


def _choices(group: str, path: list[str]) -> Iterator[str]:
    for name in options(group, ObjectType.CONFIG, path):
        if not name.startswith("_"):
            yield name
    for name in options(group, ObjectType.GROUP, path):
        yield from (f"{name}/{choice}" for choice in _choices(f"{group}/{name}", path))


def is_group(key: str, overrides: Sequence[str] = ()) -> bool:
    """Return True if a key names a group of choices: `head`, not `head.margin`."""
    with hydra():
        return bool(options(key, None, given(overrides)))


def settings_of_choices(group: str, overrides: Sequence[str]) -> dict[str, list[str]]:
    """The settings that the file of each choice of a group names; {} for a key that names no group."""
    with hydra():
        files = {choice: load(f"{group}/{choice}", given(overrides)) for choice in choices(group, overrides)}
    return {choice: [str(key) for key in file.config] for choice, file in files.items() if file}


def given(overrides: Sequence[str]) -> list[str]:
    """The overrides that set hydra.searchpath."""
    return [text for text in overrides if text.lstrip("+").startswith("hydra.searchpath=")]
